// Reads the feed at a URL as players of Podcasting 2.0 do, and writes what was found as JSON.
import partytime from 'podcast-partytime';

const answer = await fetch(process.argv[2]);
console.log(JSON.stringify(partytime.parseFeed(await answer.text())));
