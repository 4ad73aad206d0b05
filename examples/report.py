"""Reads every CSV file below a directory and writes what it finds about the rain to a JSON file.

usage: report.py <directory> <report.json>
"""

import csv
import json
import os
import statistics
import sys

directory, report = sys.argv[1:]
rain = {}
for folder, _, files in sorted(os.walk(directory)):
    for name in sorted(files):
        path = os.path.join(folder, name)
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        print(f"   python: {path}: {os.stat(path).st_size} bytes, {len(rows)} rows")
        for row in rows:
            rain.setdefault(row["station"], []).append(int(row["mm"]))

summary = {
    station: {
        "readings": len(mm),
        "mean": statistics.mean(mm),
        "median": statistics.median(mm),
        "max": max(mm),
    }
    for station, mm in rain.items()
}

# Written beside the report and renamed, so that nobody reads half of it.
with open(report + ".new", "w", encoding="utf-8") as file:
    json.dump(summary, file, indent=2)
os.replace(report + ".new", report)
print(f"   python: {sys.version.split()[0]} on {sys.platform} wrote {report}")
