"""Packs the standard library and unpacks it again: zip and tar files, then a table of SQLite. Prints what came out."""

import hashlib
import os
import sqlite3
import tarfile
import zipfile

LIBRARY = '/fixture/lib'


def files(folder):
    for path, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != '__pycache__')
        yield from (os.path.join(path, name) for name in sorted(names))


def digest(folder):
    total = hashlib.sha256()
    for path in files(folder):
        with open(path, 'rb') as file:
            total.update(file.read())
    return total.hexdigest()


with zipfile.ZipFile('/output/library.zip', 'w') as archive:  # stored: reading and writing, not compressing
    for path in files(LIBRARY):
        archive.write(path, os.path.relpath(path, LIBRARY))
with zipfile.ZipFile('/output/library.zip') as archive:
    archive.extractall('/output/unzipped')
print('zip', digest('/output/unzipped'))

with tarfile.open('/output/library.tar', 'w') as archive:
    for path in files(LIBRARY):
        archive.add(path, os.path.relpath(path, LIBRARY), recursive=False)
with tarfile.open('/output/library.tar') as archive:
    archive.extractall('/output/untarred', filter='data')
print('tar', digest('/output/untarred'))

with sqlite3.connect('/output/files.db') as database:
    database.execute('CREATE TABLE files (path TEXT PRIMARY KEY, content BLOB)')
for path in files(LIBRARY):
    with open(path, 'rb') as file, database:  # a transaction for each file, with its journal
        database.execute('INSERT INTO files VALUES (?, ?)', (path, file.read()))
query = 'SELECT count(*), sum(length(content)), max(path) FROM files'
print('sqlite', database.execute(query).fetchone())
