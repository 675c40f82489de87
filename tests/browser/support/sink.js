// A sound device that plays to nobody. Firefox stalls without one; Chromium brings its own.

import { connect } from 'node:net';
import { join } from 'node:path';

import { remove, start, stop, temporaryFolder, until } from './process.js';

/** A sound server of the run's own, as root or as a user; `env` is what a program needs to play to it. */
export async function startSink() {
  const home = temporaryFolder('sink');
  const socket = join(home, 'pulse.sock');
  const child = start(
    'pulseaudio',
    [
      '-n', // nothing of what the machine is set up with
      '--daemonize=no',
      '--use-pid-file=no',
      '--exit-idle-time=-1',
      '-L', 'module-null-sink',
      '-L', `module-native-protocol-unix auth-anonymous=1 socket=${socket}`,
    ],
    { env: { ...process.env, HOME: home, XDG_RUNTIME_DIR: home, XDG_CONFIG_HOME: home } },
  );
  await until('the sound server answers', () => answers(socket), { child });
  return {
    env: { PULSE_SERVER: `unix:${socket}` },
    async stop() {
      await stop(child);
      remove(home);
    },
  };
}

function answers(path) {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}
