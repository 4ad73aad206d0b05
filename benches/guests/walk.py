"""Walks over /fixture/tree and asks for the size of each file."""

import os

count = size = 0
for path, folders, names in os.walk('/fixture/tree'):
    for name in names:
        count += 1
        size += os.stat(os.path.join(path, name)).st_size
print(count, size)
