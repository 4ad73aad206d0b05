import http from 'node:http';
import { handler } from 'wasi-rs';

/** @param {number} port */
export async function serve(port) {
  const handle = await handler(new URL('handler.wasm', import.meta.url), {
    timeout: 5000,
    limits: { memory: 16 * 2 ** 20 },
    concurrency: 16,
  });
  const server = http.createServer(handle);
  server.on('close', () => handle.close());
  return server.listen(port, '127.0.0.1');
}

if (process.argv[1] === import.meta.filename) {
  const server = await serve(Number(process.env.PORT ?? 8080));
  server.on('listening', () => console.log(`http://127.0.0.1:${server.address().port}/`));
}
