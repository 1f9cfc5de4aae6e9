// A peer of Poolscope in JavaScript: sends to its dashboard with the OpenTelemetry SDK, or receives what it exports.
//
//     peer.js send PROTOCOL ENDPOINT TARGET   PROTOCOL is grpc, http/protobuf or http/json, ENDPOINT host:port
//     peer.js receive                         prints its ports, then each request as one line of JSON

import http from 'node:http';
import { createRequire } from 'node:module';
import zlib from 'node:zlib';

const require = createRequire(import.meta.url);

async function send(protocol, endpoint, target) {
  const { SpanKind } = require('@opentelemetry/api');
  const { SeverityNumber } = require('@opentelemetry/api-logs');
  const { UndiciInstrumentation } = require('@opentelemetry/instrumentation-undici');
  const { resourceFromAttributes } = require('@opentelemetry/resources');
  const { LoggerProvider, BatchLogRecordProcessor } = require('@opentelemetry/sdk-logs');
  const { AggregationType, MeterProvider, PeriodicExportingMetricReader } = require('@opentelemetry/sdk-metrics');
  const { BasicTracerProvider, BatchSpanProcessor } = require('@opentelemetry/sdk-trace-base');

  const kind = { grpc: 'grpc', 'http/protobuf': 'proto', 'http/json': 'http' }[protocol];
  const exporter = (signal, path, name) => {
    const url = kind === 'grpc' ? `http://${endpoint}` : `http://${endpoint}/v1/${path}`;
    return new (require(`@opentelemetry/exporter-${signal}-otlp-${kind}`)[name])({ url });
  };
  const resource = resourceFromAttributes({ 'service.name': 'peer-node', 'service.instance.id': protocol });
  const exponential = process.env.OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION?.includes('exponential');
  // Only flushes export: what a report says is then what was recorded before it.
  const reader = new PeriodicExportingMetricReader({
    exporter: exporter('metrics', 'metrics', 'OTLPMetricExporter'),
    exportIntervalMillis: 3_600_000,
  });
  const views = exponential
    ? [{ instrumentName: '*', instrumentType: 'HISTOGRAM', aggregation: { type: AggregationType.EXPONENTIAL_HISTOGRAM } }]
    : [];
  const meters = new MeterProvider({ resource, readers: [reader], views });
  const tracers = new BasicTracerProvider({
    resource,
    spanProcessors: [new BatchSpanProcessor(exporter('trace', 'traces', 'OTLPTraceExporter'))],
  });
  const logs = new BatchLogRecordProcessor({ exporter: exporter('logs', 'logs', 'OTLPLogExporter') });
  const loggers = new LoggerProvider({ resource, processors: [logs] });

  const fetched = new UndiciInstrumentation();
  fetched.setMeterProvider(meters);
  fetched.setTracerProvider(tracers);

  const meter = meters.getMeter('peer');
  const histograms = new Map();
  const record = (name, attributes, value, times) => {
    if (!histograms.has(name)) {
      const advice = { explicitBucketBoundaries: [0.005, 0.01, 0.05, 0.1, 0.5, 1, 5] };
      histograms.set(name, meter.createHistogram(name, { unit: 's', advice }));
    }
    for (let n = 0; n < times; n++) histograms.get(name).record(value, attributes);
  };
  const upDown = (name, ...points) => {
    const instrument = meter.createUpDownCounter(name);
    for (const [value, attributes] of points) instrument.add(value, attributes);
  };

  const host = { 'server.address': 'pay.example', 'server.port': 443 };
  const db = { 'db.client.connection.pool.name': 'orders', 'db.system.name': 'postgresql' };
  upDown('http.client.open_connections',
    [2, { ...host, 'http.connection.state': 'active' }], [3, { ...host, 'http.connection.state': 'idle' }]);
  upDown('http.client.active_requests', [2, { ...host, 'http.request.method': 'GET' }]);
  upDown('db.client.connection.count',
    [4, { ...db, 'db.client.connection.state': 'used' }], [1, { ...db, 'db.client.connection.state': 'idle' }]);
  for (const [name, value] of [['max', 10], ['idle.max', 5], ['idle.min', 1], ['pending_requests', 2]]) {
    upDown(`db.client.connection.${name}`, [value, db]);
  }
  const served = { 'http.request.method': 'GET', 'url.scheme': 'http' };
  upDown('http.server.active_requests', [1, served]);
  const timeouts = meter.createCounter('db.client.connection.timeouts');

  for (let round = 0; round < 2; round++) {
    const request = { ...host, 'url.scheme': 'https', 'http.request.method': 'GET' };
    record('http.client.request.duration', { ...request, 'http.response.status_code': 200 }, 0.02, 8);
    record('http.client.request.duration', { ...request, 'http.response.status_code': 503, 'error.type': '503' }, 0.3, 2);
    record('http.client.connection.duration', host, 3, 1);
    record('http.client.request.time_in_queue', request, 0.008, 4);
    record('http.server.request.duration', served, 0.1, 1);
    for (const [name, value] of [['create_time', 0.03], ['wait_time', 0.07], ['use_time', 0.2]]) {
      record(`db.client.connection.${name}`, db, value, 5);
    }
    timeouts.add(3, db);
    for (let n = 0; n < 3; n++) await (await fetch(target)).text();
    tracers.getTracer('peer').startSpan('work', { kind: SpanKind.CLIENT }).end();
    loggers.getLogger('peer').emit({
      eventName: 'peer.happened', severityNumber: SeverityNumber.WARN, body: 'something happened', attributes: host,
    });
    for (const provider of [meters, tracers, loggers]) await provider.forceFlush();
  }
  for (const provider of [meters, tracers, loggers]) await provider.shutdown();
}

function receive() {
  const grpc = require('@grpc/grpc-js');
  // protobufjs made these of OpenTelemetry's own .proto files.
  const { collector } = require('otlp-protos/build/src/generated/root').opentelemetry.proto;
  const messages = {
    metrics: [collector.metrics.v1, 'Metrics', 'MetricsService'],
    traces: [collector.trace.v1, 'Trace', 'TraceService'],
    logs: [collector.logs.v1, 'Logs', 'LogsService'],
  };
  const took = (signal, protocol, compression, type, message) => {
    const request = type.toObject(message, { longs: String, enums: Number, bytes: String });
    console.log(JSON.stringify({ signal, protocol, compression, request }));
  };

  const types = {};
  const server = new grpc.Server();
  for (const [signal, [v1, word, service]] of Object.entries(messages)) {
    const request = v1[`Export${word}ServiceRequest`];
    const response = v1[`Export${word}ServiceResponse`];
    types[signal] = [request, response];
    const path = { metrics: 'metrics', traces: 'trace', logs: 'logs' }[signal];
    server.addService({
      export: {
        path: `/opentelemetry.proto.collector.${path}.v1.${service}/Export`,
        requestStream: false,
        responseStream: false,
        requestDeserialize: (bytes) => request.decode(bytes),
        requestSerialize: (message) => Buffer.from(request.encode(message).finish()),
        responseSerialize: (message) => Buffer.from(response.encode(message).finish()),
        responseDeserialize: (bytes) => response.decode(bytes),
      },
    }, {
      export: (call, answer) => {
        // gRPC itself takes the header of the encoding out.
        took(signal, 'grpc', '', request, call.request);
        answer(null, response.create({}));
      },
    });
  }

  const web = http.createServer((incoming, outgoing) => {
    const signal = incoming.url.replace('/v1/', '');
    const [request, response] = types[signal];
    const parts = [];
    incoming.on('data', (part) => parts.push(part));
    incoming.on('end', () => {
      const compression = incoming.headers['content-encoding'] ?? '';
      const body = Buffer.concat(parts);
      const bytes = compression === 'gzip' ? zlib.gunzipSync(body) : body;
      took(signal, incoming.headers['content-type'], compression, request, request.decode(bytes));
      outgoing.writeHead(200, { 'content-type': 'application/x-protobuf' });
      outgoing.end(Buffer.from(response.encode(response.create({})).finish()));
    });
  });
  server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    web.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ grpc: port, http: web.address().port })));
  });
  // Ends with whoever started it.
  process.stdin.resume().on('end', () => process.exit());
}

if (process.argv[2] === 'send') await send(...process.argv.slice(3));
else receive();
