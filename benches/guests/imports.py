"""Imports a good part of the standard library, from files in /fixture/lib."""

import importlib
import sys

NAMES = '''
    argparse ast asyncio base64 bisect calendar cmd codecs collections colorsys compileall concurrent.futures
    configparser contextlib copy copyreg csv dataclasses datetime decimal difflib dis doctest email.mime.text
    email.parser enum filecmp fileinput fnmatch fractions ftplib functools getopt glob graphlib gzip hashlib heapq
    html.parser http.client http.cookies imaplib inspect ipaddress json keyword linecache locale logging.config
    logging.handlers mailbox mimetypes modulefinder numbers opcode operator optparse pathlib pdb pickle pickletools
    pkgutil platform plistlib poplib pprint profile pstats queue quopri random re reprlib sched secrets shelve shlex
    shutil smtplib sqlite3 statistics string stringprep symtable tabnanny tarfile tempfile textwrap timeit token
    tokenize trace traceback types typing unittest.case unittest.mock urllib.parse urllib.request urllib.robotparser uuid warnings
    wave weakref xml.dom.minidom xml.etree.ElementTree xml.sax zipapp zipfile zoneinfo
'''

missing = []
for name in NAMES.split():
    try:
        importlib.import_module(name)
    except ImportError:
        missing.append(name)

files = [getattr(module, '__file__', None) or '' for module in sys.modules.values()]
print(len(sys.modules), sum(file.startswith('/fixture/lib/') for file in files), missing)
