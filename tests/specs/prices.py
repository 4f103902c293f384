"""Brings specs/prices.toml up to date with AWS's public price files.

Those files need no account. From the root of the repository, where there is a network:

    python3 tests/specs/prices.py

It asks for one file per service and region, which takes a while, and rewrites the rows of every price with an `offer`: the
price, the date of AWS's file, and where it is from. A price that AWS's file confirms is `confirmed`; one that differs is
`single`, and is printed: look at it before you believe it. Rows that no line of AWS's files matches, or several with
different prices, stay as they are, and are counted. Everything else in the file stays to the letter.

    python3 tests/specs/prices.py --from FOLDER --table TABLE

reads FOLDER/SERVICE/REGION.csv instead of the network, and rewrites another table.

`offer` names the service, and what a line must be: `usage` is its usage type without the prefix of the region (EUC1-),
`operation` and `engine` are as they stand there. Prices of AWS are for one; the table's `per` says for how many its own are.
"""

import argparse
import csv
import io
import re
import sys
import tomllib
import urllib.request
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FEED = "https://pricing.us-east-1.amazonaws.com/offers/v1.0/aws/{service}/current/{region}/index.csv"
SOURCE = "AWS"
PREFIX = re.compile(r"^(?:[A-Z]{2,4}[0-9]?-)?")
ROW = re.compile(r"^(?P<place>[\w-]+) = \{ usd = (?P<usd>[0-9.]+), .* \}$")
HEADER = re.compile(r"^\[price\.(?P<name>[\w.]+)\.usd\]$")


def text_of(service, region, folder):
    """The file of a service in a region; None if there is none."""
    if folder is None:
        try:
            with urllib.request.urlopen(FEED.format(service=service, region=region), timeout=120) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            if error.code in (403, 404):
                return None
            raise
    path = folder / service / f"{region}.csv"
    return path.read_text() if path.exists() else None


def offers(text):
    """The date of a file of AWS, and its lines on demand as dictionaries. Some lines about the file come first."""
    about, table = text.split('"SKU"', 1)
    date = re.search(r'"Publication Date","(\d{4}-\d{2}-\d{2})', about)[1]
    lines = csv.DictReader(io.StringIO('"SKU"' + table))
    return date, [line for line in lines if line["TermType"] == "OnDemand" and line["Currency"] == "USD"]


def matches(line, offer):
    """Whether a line of AWS is what an offer of the table names. Of graded prices the first grade counts."""
    return (
        PREFIX.sub("", line["usageType"], count=1) == offer["usage"]
        and offer.get("operation", line.get("operation")) == line.get("operation")
        and offer.get("engine") in (None, line.get("Database Engine"), line.get("Cache Engine"))
        and line["StartingRange"] in ("0", "")
        and Decimal(line["PricePerUnit"]) > 0
    )


def price_of(lines, offer, per):
    """The price in the table's unit; None if there is no line, or if there are several with different prices."""
    found = {Decimal(line["PricePerUnit"]) for line in lines if matches(line, offer)}
    if len(found) != 1:
        return None
    return found.pop() * (per if isinstance(per, int) else 1)


def spelled(number):
    """Without an exponent and without zeros that say nothing, as TOML has fractions."""
    text = f"{number.normalize():f}"
    return text if "." in text else f"{text}.0"


def prices(node, path=()):
    """Every price of the table with its name."""
    for key, child in node.items():
        if isinstance(child, dict) and isinstance(child.get("usd"), dict):
            yield ".".join((*path, key)), child
        elif isinstance(child, dict):
            yield from prices(child, (*path, key))


def rewritten(text, folder, say):
    """The table with what AWS says now."""
    table = tomllib.loads(text)
    known = dict(prices(table["price"]))
    files = {}

    def file_of(service, region):
        if (service, region) not in files:
            found = text_of(service, region, folder)
            files[service, region] = offers(found) if found else None
        return files[service, region]

    result, name, newest, kept, changed = [], None, None, 0, 0
    for line in text.splitlines():
        header, row = HEADER.match(line), ROW.match(line)
        if line.startswith("["):
            name = header["name"] if header else None
        offer = known[name].get("offer") if name else None
        if row and offer:
            file = file_of(offer["service"], row["place"])
            price = price_of(file[1], offer, known[name]["per"]) if file else None
            if price is None:
                kept += 1
            else:
                is_same = price == Decimal(row["usd"])
                if not is_same:
                    changed += 1
                    say(f"{name} in {row['place']}: {row['usd']} -> {spelled(price)}")
                newest = max(filter(None, (newest, file[0])))
                trust = "confirmed" if is_same else "single"
                line = (
                    f'{row["place"]} = {{ usd = {spelled(price)}, at = "{file[0]}", trust = "{trust}", '
                    f'from = "{SOURCE}" }}'
                )
        result.append(line)
    say(f"{changed} prices differ; {kept} rows with an offer had no line of their own and stay as they are")
    if newest:
        result = [re.sub(r'^collected( +)= ".*"$', rf'collected\1= "{newest[:7]}"', line) for line in result]
    return "\n".join(result) + "\n"


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--from", dest="folder", type=Path)
    arguments.add_argument("--table", type=Path, default=ROOT / "specs/prices.toml")
    given = arguments.parse_args()
    text = rewritten(given.table.read_text(), given.folder, lambda said: print(said, file=sys.stderr))
    tomllib.loads(text)
    given.table.write_text(text)


if __name__ == "__main__":
    main()
