// Ask probes of Node processes: the arguments are a process and the path of its socket, in turns.
// Prints a line for each: the process, a tab, and its JSON or `@` and why there is none.
// Runs by `-e` as the user of those processes, with the Node that they run on.
'use strict';

const net = require('net');
// A loop that is blocked for longer gives no answer, which is one.
const WAIT_MS = 3000;
const LONGEST = 65536;

function ask(pid, path) {
  let said = '';
  let why = 'ended without an answer';
  const peer = net.connect(path);
  const giveUp = setTimeout(function late() {
    why = 'no answer within ' + WAIT_MS / 1000 + ' s';
    peer.destroy();
  }, WAIT_MS);
  peer.setEncoding('latin1');
  peer.on('connect', function request() {
    peer.write('GET / HTTP/1.0\r\n\r\n');
  });
  peer.on('data', function hear(text) {
    said += text;
    if (said.length > LONGEST) peer.destroy();
  });
  peer.on('error', function fail(fault) {
    why = String(fault.code);
  });
  peer.on('close', function tell() {
    clearTimeout(giveUp);
    const found = /^HTTP\/1\.0 200 [^]*?\r\n\r\n(.*)\n$/.exec(said);
    console.log(pid + '\t' + (found ? found[1] : '@' + why));
  });
}

for (let at = 1; at + 1 < process.argv.length; at += 2) ask(process.argv[at], process.argv[at + 1]);
