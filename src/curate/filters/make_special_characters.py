#!/usr/bin/env python3
"""Writes the code points that data-juicer calls special characters, as ranges in hexadecimal.

They are what its ops/common/special_characters.py has, of emoji those of a single code point: a character of a text is
looked up by itself. Needs an unpacked wheel of py-data-juicer (1.6.1 was used) and emoji (2.16.0):
    python3 make_special_characters.py WHEEL_FOLDER > ../data/special_characters.txt
"""
import sys
from pathlib import Path


def ranges(numbers):
    found = []
    for number in sorted(numbers):
        if found and found[-1][1] == number - 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def main():
    space = {}
    path = Path(sys.argv[1]) / "data_juicer" / "ops" / "common" / "special_characters.py"
    exec(path.read_text(encoding="utf-8"), space)
    single = {ord(entry) for entry in space["SPECIAL_CHARACTERS"] if len(entry) == 1}
    print("# From data-juicer 1.6 (Apache License 2.0, Alibaba) and emoji 2.16 (BSD): code points, first-last in "
          "hexadecimal.")
    for first, last in ranges(single):
        print(f"{first:X}-{last:X}" if last > first else f"{first:X}")


if __name__ == "__main__":
    main()
