"""A peer of Poolscope in Python: sends to its dashboard with the OpenTelemetry SDK, or receives what it exports.

    peer.py send PROTOCOL ENDPOINT TARGET    PROTOCOL is grpc or http/protobuf, ENDPOINT host:port
    peer.py receive                          prints its ports, then each request as one line of JSON
"""

import gzip
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def send(protocol, endpoint, target):
    import urllib3
    from opentelemetry._logs import LogRecord, SeverityNumber
    from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import SpanKind

    if protocol == "grpc":
        from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

        to = [{"endpoint": endpoint, "insecure": True}] * 3
    else:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        to = [{"endpoint": f"http://{endpoint}/v1/{signal}"} for signal in ("metrics", "traces", "logs")]

    resource = Resource.create({"service.name": "peer-python", "service.instance.id": protocol})
    # Only flushes export: what a report says is then what was recorded before it.
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(**to[0]), export_interval_millis=3_600_000)
    meters = MeterProvider([reader], resource=resource)
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**to[1])))
    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**to[2])))

    URLLib3Instrumentor().instrument(meter_provider=meters, tracer_provider=tracers)
    pool = urllib3.PoolManager()
    database = instrumented_database(meters, tracers)

    meter = meters.get_meter("peer")
    histograms = {}

    def record(name, attributes, values):
        if name not in histograms:
            histograms[name] = meter.create_histogram(
                name, unit="s", explicit_bucket_boundaries_advisory=[0.005, 0.01, 0.05, 0.1, 0.5, 1, 5]
            )
        for value in values:
            histograms[name].record(value, attributes)

    def up_down(name, points):
        instrument = meter.create_up_down_counter(name)
        for value, attributes in points:
            instrument.add(value, attributes)

    host = {"server.address": "pay.example", "server.port": 443}
    db = {"db.client.connection.pool.name": "orders", "db.system.name": "postgresql"}
    up_down("http.client.open_connections", [
        (2, {**host, "http.connection.state": "active"}), (3, {**host, "http.connection.state": "idle"})])
    up_down("http.client.active_requests", [(2, {**host, "http.request.method": "GET"})])
    up_down("db.client.connection.count", [
        (4, {**db, "db.client.connection.state": "used"}), (1, {**db, "db.client.connection.state": "idle"})])
    for name, value in (("max", 10), ("idle.max", 5), ("idle.min", 1), ("pending_requests", 2)):
        up_down(f"db.client.connection.{name}", [(value, db)])
    up_down("http.server.active_requests", [(1, {"http.request.method": "GET", "url.scheme": "http"})])
    timeouts = meter.create_counter("db.client.connection.timeouts")

    for _ in range(2):
        request = {**host, "url.scheme": "https", "http.request.method": "GET"}
        record("http.client.request.duration", {**request, "http.response.status_code": 200}, [0.02] * 8)
        record("http.client.request.duration",
               {**request, "http.response.status_code": 503, "error.type": "503"}, [0.3] * 2)
        record("http.client.connection.duration", host, [3.0])
        record("http.client.request.time_in_queue", request, [0.008] * 4)
        record("http.server.request.duration", {"http.request.method": "GET", "url.scheme": "http"}, [0.1])
        for name, value in (("create_time", 0.03), ("wait_time", 0.07), ("use_time", 0.2)):
            record(f"db.client.connection.{name}", db, [value] * 5)
        timeouts.add(3, db)
        for _ in range(3):
            pool.request("GET", target)
        database()
        with tracers.get_tracer("peer").start_as_current_span("work", kind=SpanKind.CLIENT):
            loggers.get_logger("peer").emit(LogRecord(
                timestamp=1, event_name="peer.happened", severity_number=SeverityNumber.WARN,
                body="something happened", attributes=host))
        if not (meters.force_flush() and tracers.force_flush() and loggers.force_flush()):
            sys.exit("what was recorded could not be sent")
    for provider in (meters, tracers, loggers):
        provider.shutdown()


def instrumented_database(meters, tracers):
    """A real pool of connections, whose instrumentation still sends the names of before."""
    import sqlalchemy
    from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor

    engine = sqlalchemy.create_engine(
        "sqlite://", poolclass=sqlalchemy.pool.QueuePool, pool_size=3, pool_logging_name="stock")
    SQLAlchemyInstrumentor().instrument(engine=engine, meter_provider=meters, tracer_provider=tracers)
    held = []

    def use():
        held.append(engine.connect())
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("select 1"))

    return use


def receive():
    import grpc
    from google.protobuf.json_format import MessageToDict
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

    lock = threading.Lock()

    def tell(**what):
        with lock:
            print(json.dumps(what), flush=True)

    def took(signal, protocol, compression, request):
        body = MessageToDict(request, use_integers_for_enums=True)
        tell(signal=signal, protocol=protocol, compression=compression, request=body)

    services = {
        "metrics": (metrics_service_pb2, metrics_service_pb2_grpc, "MetricsService"),
        "traces": (trace_service_pb2, trace_service_pb2_grpc, "TraceService"),
        "logs": (logs_service_pb2, logs_service_pb2_grpc, "LogsService"),
    }
    word = {"metrics": "Metrics", "traces": "Trace", "logs": "Logs"}
    server = grpc.server(futures.ThreadPoolExecutor(4))
    requests = {}
    for signal, (messages, stubs, service) in services.items():
        answer = getattr(messages, f"Export{word[signal]}ServiceResponse")
        requests[signal] = getattr(messages, f"Export{word[signal]}ServiceRequest"), answer

        def export(self, request, context, signal=signal, answer=answer):
            # gRPC itself takes the header of the encoding out.
            took(signal, "grpc", "", request)
            return answer()

        servicer = type(service, (getattr(stubs, f"{service}Servicer"),), {"Export": export})
        getattr(stubs, f"add_{service}Servicer_to_server")(servicer(), server)
    grpc_port = server.add_insecure_port("127.0.0.1:0")
    server.start()

    class Http(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            signal = self.path.removeprefix("/v1/")
            request, answer = requests[signal]
            body = self.read()
            compression = self.headers.get("content-encoding", "")
            if compression == "gzip":
                body = gzip.decompress(body)
            took(signal, self.headers["content-type"], compression, request.FromString(body))
            answer = answer().SerializeToString()
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def read(self):
            return self.rfile.read(int(self.headers["content-length"]))

        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    tell(grpc=grpc_port, http=http.server_address[1])
    # Ends with whoever started it.
    sys.stdin.read()


if __name__ == "__main__":
    send(*sys.argv[2:]) if sys.argv[1] == "send" else receive()
