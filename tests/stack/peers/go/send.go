package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// providers export to one dashboard over one protocol.
type providers struct {
	metrics *sdkmetric.MeterProvider
	traces  *sdktrace.TracerProvider
	logs    *sdklog.LoggerProvider
}

func newProviders(ctx context.Context, protocol, endpoint string) (*providers, error) {
	var metrics sdkmetric.Exporter
	var traces sdktrace.SpanExporter
	var logs sdklog.Exporter
	var errs [3]error
	if protocol == "grpc" {
		metrics, errs[0] = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(endpoint), otlpmetricgrpc.WithInsecure())
		traces, errs[1] = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(endpoint), otlptracegrpc.WithInsecure())
		logs, errs[2] = otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(endpoint), otlploggrpc.WithInsecure())
	} else {
		metrics, errs[0] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(endpoint), otlpmetrichttp.WithInsecure())
		traces, errs[1] = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(endpoint), otlptracehttp.WithInsecure())
		logs, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpoint(endpoint), otlploghttp.WithInsecure())
	}
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	of := resource.NewSchemaless(
		attribute.String("service.name", "peer-go"), attribute.String("service.instance.id", protocol),
		attribute.String("telemetry.sdk.language", "go"))
	// Only flushes export: what a report says is then what was recorded before it.
	reader := sdkmetric.NewPeriodicReader(metrics, sdkmetric.WithInterval(time.Hour))
	return &providers{
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithResource(of)),
		traces:  sdktrace.NewTracerProvider(sdktrace.WithBatcher(traces), sdktrace.WithResource(of)),
		logs:    sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(logs)), sdklog.WithResource(of)),
	}, nil
}

func (p *providers) flush(ctx context.Context) error {
	return errors.Join(p.metrics.ForceFlush(ctx), p.traces.ForceFlush(ctx), p.logs.ForceFlush(ctx))
}

func (p *providers) shutdown(ctx context.Context) error {
	return errors.Join(p.metrics.Shutdown(ctx), p.traces.Shutdown(ctx), p.logs.Shutdown(ctx))
}

func send(ctx context.Context, protocol, endpoint, target string) error {
	p, err := newProviders(ctx, protocol, endpoint)
	if err != nil {
		return err
	}
	client := http.Client{Transport: otelhttp.NewTransport(http.DefaultTransport,
		otelhttp.WithMeterProvider(p.metrics), otelhttp.WithTracerProvider(p.traces))}
	meter := p.metrics.Meter("peer")

	upDown := func(name string, value int64, of ...attribute.KeyValue) {
		instrument, made := meter.Int64UpDownCounter(name)
		err = errors.Join(err, made)
		instrument.Add(ctx, value, metric.WithAttributes(of...))
	}
	record := func(name string, value float64, times int, of ...attribute.KeyValue) {
		histogram, made := meter.Float64Histogram(name, metric.WithUnit("s"),
			metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.05, 0.1, 0.5, 1, 5))
		err = errors.Join(err, made)
		for range times {
			histogram.Record(ctx, value, metric.WithAttributes(of...))
		}
	}
	timeouts, made := meter.Int64Counter("db.client.connection.timeouts")
	err = errors.Join(err, made)

	host := []attribute.KeyValue{attribute.String("server.address", "pay.example"), attribute.Int("server.port", 443)}
	db := []attribute.KeyValue{
		attribute.String("db.client.connection.pool.name", "orders"), attribute.String("db.system.name", "postgresql")}
	with := func(of []attribute.KeyValue, more ...attribute.KeyValue) []attribute.KeyValue {
		return append(append([]attribute.KeyValue{}, of...), more...)
	}
	get := attribute.String("http.request.method", "GET")
	upDown("http.client.open_connections", 2, with(host, attribute.String("http.connection.state", "active"))...)
	upDown("http.client.open_connections", 3, with(host, attribute.String("http.connection.state", "idle"))...)
	upDown("http.client.active_requests", 2, with(host, get)...)
	upDown("db.client.connection.count", 4, with(db, attribute.String("db.client.connection.state", "used"))...)
	upDown("db.client.connection.count", 1, with(db, attribute.String("db.client.connection.state", "idle"))...)
	upDown("db.client.connection.max", 10, db...)
	upDown("db.client.connection.idle.max", 5, db...)
	upDown("db.client.connection.idle.min", 1, db...)
	upDown("db.client.connection.pending_requests", 2, db...)
	upDown("http.server.active_requests", 1, get, attribute.String("url.scheme", "http"))

	for range 2 {
		request := with(host, attribute.String("url.scheme", "https"), get)
		record("http.client.request.duration", 0.02, 8, with(request, attribute.Int("http.response.status_code", 200))...)
		record("http.client.request.duration", 0.3, 2, with(request,
			attribute.Int("http.response.status_code", 503), attribute.String("error.type", "503"))...)
		record("http.client.connection.duration", 3, 1, host...)
		record("http.client.request.time_in_queue", 0.008, 4, request...)
		record("http.server.request.duration", 0.1, 1, get, attribute.String("url.scheme", "http"))
		record("db.client.connection.create_time", 0.03, 5, db...)
		record("db.client.connection.wait_time", 0.07, 5, db...)
		record("db.client.connection.use_time", 0.2, 5, db...)
		timeouts.Add(ctx, 3, metric.WithAttributes(db...))
		for range 3 {
			if failed := fetch(ctx, &client, target); failed != nil {
				return failed
			}
		}
		_, span := p.traces.Tracer("peer").Start(ctx, "work", trace.WithSpanKind(trace.SpanKindClient))
		span.End()
		var happened otellog.Record
		happened.SetEventName("peer.happened")
		happened.SetTimestamp(time.Now())
		happened.SetSeverity(otellog.SeverityWarn)
		happened.SetBody(attribute.StringValue("something happened"))
		happened.AddAttributes(host...)
		p.logs.Logger("peer").Emit(ctx, happened)
		if err = errors.Join(err, p.flush(ctx)); err != nil {
			return err
		}
	}
	return p.shutdown(ctx)
}

func fetch(ctx context.Context, client *http.Client, target string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return errors.Join(err, response.Body.Close())
}
