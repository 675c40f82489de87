// What opens the page, if its address is signed: what it asks for takes that too.

const given = new URLSearchParams(location.search);
const pass = ['expires', 'sig'].filter((name) => given.has(name)).map((name) => `${name}=${encodeURIComponent(given.get(name))}`);

/** A path with it, if there is any; it may have a query already. */
export const signed = (path) => [path, ...pass].reduce((url, pair) => `${url}${url.includes('?') ? '&' : '?'}${pair}`);
