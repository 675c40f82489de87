"""Reads the feed at a URL as feedparser and gPodder do, gets the episodes, and writes what was found as JSON."""

import json
import sys
from urllib.request import urlopen

import feedparser
import podcastparser

url = sys.argv[1]
first = feedparser.parse(url)
again = feedparser.parse(url, etag=first.etag, modified=first.modified)
found = {
    "feedparser": {
        "broken": bool(first.bozo),
        "again": again.status,
        "link": first.feed.link,
        "title": first.feed.title,
        "author": first.feed.author,
        "self": [link.href for link in first.feed.links if link.rel == "self"],
        "entries": [
            {
                "id": entry.id,
                "title": entry.title,
                "published": list(entry.published_parsed[:6]),
                "enclosures": [[link.href, int(link.length), link.type] for link in entry.enclosures],
            }
            for entry in first.entries
        ],
    },
    "got": [len(urlopen(link.href).read()) for entry in first.entries for link in entry.enclosures],
    "gpodder": podcastparser.parse(url, urlopen(url)),
}
json.dump(found, sys.stdout)
