// Somebody else's page, on another origin, with nothing in it but `<audio src>`: how most listeners come.

import { createServer } from 'node:http';

/** `page(src)` is the address of a page that plays `src`. */
export async function startEmbedder() {
  const server = createServer((request, response) => {
    const src = new URL(request.url, 'http://any').searchParams.get('src') ?? '';
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    response.end(html(src));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  return {
    page: (src) => `http://127.0.0.1:${port}/?src=${encodeURIComponent(src)}`,
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

// Without crossorigin what is heard may not be looked at by a script, hence not by the tests.
const html = (src) => `<!doctype html>
<html lang="en"><title>Somebody's page</title><link rel="icon" href="data:,">
<audio controls crossorigin="anonymous" src="${src.replaceAll('&', '&amp;').replaceAll('"', '&quot;')}"></audio>`;
