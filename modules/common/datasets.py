"""data_sources.py under the name that some learning plans use: python datasets.py --download-all"""

from data_sources import main

if __name__ == "__main__":
    raise SystemExit(main())
