"""Strings that tokenizers get wrong."""

NASTY = [
    "",
    " ",
    "Hello, world! It's we'll I've you're I'm she'd I'D they'RE 'tis o''clock",
    "1 12 123 1234 12345 3.14159 1,000,000 ٣٤٥ ½ Ⅷ ²",
    "  two  spaces   three\t\ttabs \t mixed ",
    "ends.\n\nnext!\r\n//\n lines\nand\r\nmore\n\n\n  indented\n\tend\n ",
    "你好,世界!今天天气很好。 我们 一起去吧 2024年5月",
    "🙂 👍🏽 👩‍👩‍👧‍👦 🇨🇳 é vs é ﬁ Ⅻ ﷽ ​x   ",
    "Привет, мир! สวัสดี नमस्ते مرحبا 한국어 ひらがな カタカナ",
    "def f(x): return x**2 != {'a': [1, 2]} # $100 + <b> ^~| `q` \\n \x00\x01\x7f",
    "don't can't DON'T 'S 'll 'LL 'She IT'Sx x'tWAS x'Real x'Very x'Most x'Lloyd x'Dx café's naïve ",
    "snake_case CamelCase HTTPServer kebab-case a/b/c://d.e?f=g&h",
    "aaaaaaaaaaaaaaaaaaaaaaa ........ ------ ======",
    "<|im_start|>user\nhi<|im_end|> <think>x</think>",
]
