// Markup that has changed comes from the server, which has the one template of each thing.

/** The page that an address has. */
export async function fetchPage(address) {
  const response = await fetch(address, { headers: { accept: 'text/html' }, signal: AbortSignal.timeout(10000) });
  if (!response.ok) throw new Error(String(response.status));
  return new DOMParser().parseFromString(await response.text(), 'text/html');
}
