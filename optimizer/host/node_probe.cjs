// Watches the event loop, garbage collection and memory of the Node process that it is loaded
// into (`--require` in NODE_OPTIONS), and answers on a unix socket. It needs Node 18, nothing
// else, and is to leave the service as it is: whatever fails in here ends the probe in silence.
//
// Where the socket is: `optimizer-node-PID.sock`, rights 0600, in OPTIMIZER_NODE_DIRECTORY, else
// in the first directory of RUNTIME_DIRECTORY, which systemd makes for a unit with
// RuntimeDirectory=, owned by the account of the service, writable in every sandbox, and gone with
// the unit. Without such a directory nothing is watched. Who reads it takes the path from
// /proc/PID/net/unix, by an inode that is open in /proc/PID/fd: a name alone proves nothing.
//
// What it answers: `GET /` JSON, `GET /metrics` Prometheus text, over HTTP/1.0:
//     curl --unix-socket /run/optimizer-node-web/optimizer-node-123.sock http://x/metrics
// Times are in seconds, sizes in bytes; `start` is since the loop began to run, `window` the last
// 40 to 60 s. Neither environment nor arguments, paths, hosts or any text of the service are in it.
//
// OPTIMIZER_NODE_AGENT_KEEP_ALIVE (yes or no), _MAX_SOCKETS, _MAX_FREE_SOCKETS and _TIMEOUT (ms)
// are set on the global agents of http and https; what is unset or no such value changes nothing.
//
// Only syntax that every Node can read: a preload that cannot be read keeps it from starting.
'use strict';

(function probe() {
  // Timers of libuv count whole milliseconds; a finer resolution wakes an idle process more often.
  const RESOLUTION_MS = 5;
  // Histograms of the loop cannot be added up: three of them take turns in beginning anew.
  const SPANS = 3;
  const ROLL_MS = 20000;
  // Runs that are shorter (`node -e`, npm) leave no trace, and start no later for it.
  const SOCKET_AFTER_MS = 1000;
  const LONGEST_PATH = 100;
  const LONGEST_REQUEST = 4096;
  const LONGEST_WAIT_MS = 5000;
  const NAME = /^optimizer-node-([0-9]+)\.sock$/;
  // Pauses of 10 microseconds to an hour in nanoseconds, within 1 %: some 20 KiB, however many.
  const RANGE = { lowest: 10000, highest: 3600e9, figures: 2 };

  let stops = [];

  // Return a function that never throws: its first fault ends the probe.
  function guarded(work) {
    return function guardedWork() {
      try {
        return work.apply(this, arguments);
      } catch (fault) {
        stop();
        return undefined;
      }
    };
  }

  function stop() {
    const all = stops;
    stops = [];
    all.forEach(function end(one) {
      try {
        one();
      } catch (fault) {
        // There is nobody to tell, and the service goes on.
      }
    });
  }

  guarded(function start() {
    if (Number(process.versions.node.split('.')[0]) < 18) return;
    if (!require('worker_threads').isMainThread) return;
    setAgents(process.env);
    const directory = directoryOf(process.env);
    if (directory) open(directory, watch());
  })();

  // Loading the service blocks the loop before it runs, which is no delay of anything.
  function open(directory, watched) {
    after(0, watched.begin);
    after(SOCKET_AFTER_MS, function answering() {
      listen(directory, watched.known);
    });
  }

  // Both keep no process alive.
  function after(milliseconds, work) {
    const timer = setTimeout(guarded(work), milliseconds);
    timer.unref();
    stops.push(function give() {
      clearTimeout(timer);
    });
  }

  function every(milliseconds, work) {
    const timer = setInterval(guarded(work), milliseconds);
    timer.unref();
    stops.push(function give() {
      clearInterval(timer);
    });
  }

  function directoryOf(environment) {
    const named = environment.OPTIMIZER_NODE_DIRECTORY;
    const directory = named || String(environment.RUNTIME_DIRECTORY || '').split(':')[0];
    return directory.startsWith('/') ? directory : '';
  }

  // ---- the agents ----

  // New agents with the old options: the way that is documented to change them. What is not asked
  // for is not even loaded.
  function setAgents(environment) {
    const asked = {
      keepAlive: yesOrNo(environment.OPTIMIZER_NODE_AGENT_KEEP_ALIVE),
      maxSockets: count(environment.OPTIMIZER_NODE_AGENT_MAX_SOCKETS),
      maxFreeSockets: count(environment.OPTIMIZER_NODE_AGENT_MAX_FREE_SOCKETS),
      timeout: count(environment.OPTIMIZER_NODE_AGENT_TIMEOUT),
    };
    Object.keys(asked).forEach(function drop(name) {
      if (asked[name] === undefined) delete asked[name];
    });
    if (Object.keys(asked).length === 0) return;
    ['http', 'https'].forEach(function replace(name) {
      const protocol = require(name);
      protocol.globalAgent = new protocol.Agent(
        Object.assign({}, protocol.globalAgent.options, asked)
      );
    });
  }

  function yesOrNo(text) {
    if (text === 'yes') return true;
    return text === 'no' ? false : undefined;
  }

  function count(text) {
    return /^[1-9][0-9]{0,8}$/.test(text || '') ? Number(text) : undefined;
  }

  // ---- what is recorded ----

  // Return two functions: one that begins to watch, one that returns what is known. What both need
  // is loaded now, while nobody waits for the service yet.
  function watch() {
    const hooks = require('perf_hooks');
    const heap = require('v8').getHeapStatistics;
    const names = kindNames(hooks.constants);
    const whole = newSpan(hooks);
    // The oldest comes first; it is what the window tells.
    const rolling = [];
    while (rolling.length < SPANS) rolling.push(newSpan(hooks));
    const all = [whole].concat(rolling);
    const observer = new hooks.PerformanceObserver(guarded(function hear(list) {
      list.getEntries().forEach(function each(entry) {
        const kind = names[(entry.detail || entry).kind] || 'other';
        all.forEach(function record(span) {
          recordPause(span, kind, entry.duration);
        });
      });
    }));

    function begin() {
      stops.push(function end() {
        observer.disconnect();
        all.forEach(function disable(span) {
          span.delay.disable();
        });
      });
      all.forEach(function first(span) {
        mark(span, hooks.performance);
        span.delay.enable();
      });
      observer.observe({ entryTypes: ['gc'] });
      every(ROLL_MS, function roll() {
        const next = rolling.shift();
        restart(next, hooks.performance);
        rolling.push(next);
      });
    }

    function known() {
      return {
        probe: 1,
        pid: process.pid,
        version: process.versions.node,
        uptime: process.uptime(),
        resolution: RESOLUTION_MS / 1000,
        start: report(whole, hooks.performance),
        window: report(rolling[0], hooks.performance),
        heap: heapSizes(heap()),
        rss: process.memoryUsage.rss(),
        resources: counted(process.getActiveResourcesInfo()),
        agents: agentUse(),
      };
    }

    return { begin: begin, known: known };
  }

  function kindNames(constants) {
    const names = {};
    Object.keys(constants).forEach(function name(key) {
      const found = /^NODE_PERFORMANCE_GC_([A-Z]+)$/.exec(key);
      if (found) names[constants[key]] = found[1].toLowerCase();
    });
    return names;
  }

  // A span of time up to now: delays and pauses in nanoseconds, pauses by kind in seconds.
  // began: in milliseconds since the start of the process; before: the use of the loop until then.
  function newSpan(hooks) {
    return {
      began: 0,
      before: undefined,
      delay: hooks.monitorEventLoopDelay({ resolution: RESOLUTION_MS }),
      gc: hooks.createHistogram(RANGE),
      kinds: {},
    };
  }

  function mark(span, performance) {
    span.began = performance.now();
    span.before = performance.eventLoopUtilization();
  }

  // A histogram that was never cleared takes no more memory than what it counted; so only those
  // are cleared that have to be.
  function restart(span, performance) {
    mark(span, performance);
    span.delay.reset();
    span.gc.reset();
    span.kinds = {};
  }

  function recordPause(span, kind, milliseconds) {
    span.gc.record(Math.max(1, Math.round(milliseconds * 1e6)));
    const seconds = milliseconds / 1000;
    const one = span.kinds[kind] || { count: 0, total: 0, max: 0 };
    one.count += 1;
    one.total += seconds;
    one.max = Math.max(one.max, seconds);
    span.kinds[kind] = one;
  }

  // ---- what is told ----

  function report(span, performance) {
    return {
      seconds: (performance.now() - span.began) / 1000,
      utilization: performance.eventLoopUtilization(span.before).utilization,
      // The timer that measures is due after its resolution, which is no delay.
      delay: quantiles(span.delay, RESOLUTION_MS * 1e6),
      gc: Object.assign(quantiles(span.gc, 0), { kinds: span.kinds }),
    };
  }

  function quantiles(histogram, less) {
    const found = { count: histogram.count, p50: 0, p99: 0, max: 0 };
    if (found.count === 0) return found;
    found.p50 = Math.max(0, histogram.percentile(50) - less) / 1e9;
    found.p99 = Math.max(0, histogram.percentile(99) - less) / 1e9;
    found.max = Math.max(0, histogram.max - less) / 1e9;
    return found;
  }

  function heapSizes(statistics) {
    return {
      used: statistics.used_heap_size,
      total: statistics.total_heap_size,
      limit: statistics.heap_size_limit,
    };
  }

  function counted(names) {
    const counts = {};
    names.forEach(function one(name) {
      counts[name] = (counts[name] || 0) + 1;
    });
    return counts;
  }

  // Sockets of the global agents; a service that never loaded http has none, and loads none here.
  function agentUse() {
    const use = {};
    ['http', 'https'].forEach(function one(name) {
      if (!process.moduleLoadList.includes('NativeModule ' + name)) return;
      const agent = require(name).globalAgent;
      use[name] = {
        used: held(agent.sockets),
        free: held(agent.freeSockets),
        waiting: held(agent.requests),
      };
    });
    return use;
  }

  // The service may have put an agent of its own there, which need not have any of this.
  function held(byHost) {
    return Object.keys(byHost || {}).reduce(function sum(total, host) {
      return total + (Array.isArray(byHost[host]) ? byHost[host].length : 0);
    }, 0);
  }

  // ---- Prometheus ----

  function prometheus(known) {
    const lines = [];
    function metric(name, type, help, rows) {
      const full = 'optimizer_node_' + name;
      lines.push('# HELP ' + full + ' ' + help, '# TYPE ' + full + ' ' + type);
      rows.forEach(function row(one) {
        lines.push(full + labelled(one[0]) + ' ' + one[1]);
      });
    }
    const spans = [['start', known.start], ['window', known.window]];
    const kinds = known.start.gc.kinds;
    metric('event_loop_delay_seconds', 'gauge', 'Delay beyond the resolution of the timer.',
      quantileRows(spans, 'delay'));
    metric('event_loop_utilization_ratio', 'gauge', 'Share of the time that the loop was busy.',
      spans.map(function row(span) { return [{ over: span[0] }, span[1].utilization]; }));
    metric('gc_pause_seconds', 'gauge', 'Pauses for garbage collection.',
      quantileRows(spans, 'gc'));
    metric('gc_pauses_total', 'counter', 'Garbage collections.', kindRows(kinds, 'count'));
    metric('gc_pauses_seconds_total', 'counter', 'Time that they took.', kindRows(kinds, 'total'));
    metric('heap_bytes', 'gauge', 'The heap of V8.', rowsOf(known.heap, 'size'));
    metric('resident_memory_bytes', 'gauge', 'Memory of the process.', [[{}, known.rss]]);
    metric('active_resources', 'gauge', 'What keeps the loop alive.',
      rowsOf(known.resources, 'type'));
    Object.keys(known.agents).forEach(function each(name) {
      metric(name + '_agent_sockets', 'gauge', 'Sockets of the global agent, and waits for one.',
        rowsOf(known.agents[name], 'state'));
    });
    metric('uptime_seconds', 'gauge', 'Time since the start.', [[{}, known.uptime]]);
    return lines.join('\n') + '\n';
  }

  function quantileRows(spans, name) {
    const rows = [];
    spans.forEach(function each(span) {
      [['0.5', 'p50'], ['0.99', 'p99'], ['1', 'max']].forEach(function row(one) {
        rows.push([{ over: span[0], quantile: one[0] }, span[1][name][one[1]]]);
      });
    });
    return rows;
  }

  function kindRows(kinds, measure) {
    return Object.keys(kinds).map(function row(kind) {
      return [{ kind: kind }, kinds[kind][measure]];
    });
  }

  function rowsOf(numbers, label) {
    return Object.keys(numbers).map(function row(name) {
      const labels = {};
      labels[label] = name;
      return [labels, numbers[name]];
    });
  }

  function labelled(labels) {
    const texts = Object.keys(labels).map(function text(name) {
      return name + '="' + labels[name] + '"';
    });
    return texts.length ? '{' + texts.join(',') + '}' : '';
  }

  // ---- the socket ----

  function listen(directory, known) {
    const path = directory + '/optimizer-node-' + process.pid + '.sock';
    // Older versions of libuv cut a longer path, and would bind another one.
    if (Buffer.byteLength(path) > LONGEST_PATH) throw new RangeError(path);
    const fs = require('fs');
    removeStale(fs, directory);
    const server = require('net').createServer({ allowHalfOpen: true });
    server.on('connection', guarded(function meet(peer) {
      answer(peer, known);
    }));
    server.maxConnections = 8;
    server.on('error', stop);
    server.unref();
    stops.push(function endListening() {
      server.close();
    });
    // A worker of a cluster would otherwise have its primary listen, and share the socket.
    server.listen({ path: path, exclusive: true });
    if (server.listening) fs.chmodSync(path, 0o600);
  }

  // What processes have left that ended without a word. Who has our number now is us.
  function removeStale(fs, directory) {
    fs.readdirSync(directory).forEach(function look(name) {
      const found = NAME.exec(name);
      if (found && (Number(found[1]) === process.pid || !lives(Number(found[1])))) {
        fs.unlinkSync(directory + '/' + name);
      }
    });
  }

  function lives(pid) {
    try {
      process.kill(pid, 0);
      return true;
    } catch (fault) {
      return fault.code !== 'ESRCH';
    }
  }

  function answer(peer, known) {
    let request = '';
    peer.unref();
    peer.setEncoding('latin1');
    peer.setTimeout(LONGEST_WAIT_MS, function give() {
      peer.destroy();
    });
    // A client that goes away is no fault of ours.
    peer.on('error', function gone() {
      peer.destroy();
    });
    peer.on('data', guarded(function hear(text) {
      request += text;
      if (request.length > LONGEST_REQUEST) peer.destroy();
      else if (/\r?\n\r?\n/.test(request)) {
        peer.removeAllListeners('data');
        peer.resume();
        peer.end(reply(request, known));
      }
    }));
    peer.on('end', function end() {
      peer.end();
    });
  }

  function reply(request, known) {
    const asked = /^GET (\/[a-z]*) HTTP\/1\.[01]\r?\n/.exec(request);
    if (asked && asked[1] === '/metrics') {
      return message('200 OK', 'text/plain; version=0.0.4', prometheus(known()));
    }
    if (asked && asked[1] === '/') {
      return message('200 OK', 'application/json', JSON.stringify(known()) + '\n');
    }
    return message('404 Not Found', 'text/plain', 'There is / and /metrics.\n');
  }

  function message(status, type, body) {
    return [
      'HTTP/1.0 ' + status,
      'Content-Type: ' + type,
      'Content-Length: ' + Buffer.byteLength(body),
      'Connection: close',
      '',
      body,
    ].join('\r\n');
  }
})();
