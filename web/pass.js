// What opens the page, if its address is signed, opens what it asks for.

const given = [...new URLSearchParams(location.search)].filter(([name]) => name === 'expires' || name === 'sig');
const pass = new URLSearchParams(given).toString();

/** A path with it, if there is any; it may have a query already. */
export const signed = (path) => (pass ? `${path}${path.includes('?') ? '&' : '?'}${pass}` : path);
