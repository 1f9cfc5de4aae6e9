package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"

	logs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	metrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	traces "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	// Registers gzip, which a server of gRPC takes only then.
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// out keeps lines whole.
var out sync.Mutex

func tell(what any) error {
	out.Lock()
	defer out.Unlock()
	return json.NewEncoder(os.Stdout).Encode(what)
}

func took(signal, protocol, compression string, request proto.Message) error {
	body, err := protojson.MarshalOptions{UseEnumNumbers: true}.Marshal(request)
	if err != nil {
		return err
	}
	return tell(map[string]any{
		"signal": signal, "protocol": protocol, "compression": compression, "request": json.RawMessage(body)})
}

type metricsService struct {
	metrics.UnimplementedMetricsServiceServer
}

func (metricsService) Export(
	_ context.Context, r *metrics.ExportMetricsServiceRequest,
) (*metrics.ExportMetricsServiceResponse, error) {
	return &metrics.ExportMetricsServiceResponse{}, took("metrics", "grpc", "", r)
}

type traceService struct {
	traces.UnimplementedTraceServiceServer
}

func (traceService) Export(
	_ context.Context, r *traces.ExportTraceServiceRequest,
) (*traces.ExportTraceServiceResponse, error) {
	return &traces.ExportTraceServiceResponse{}, took("traces", "grpc", "", r)
}

type logsService struct {
	logs.UnimplementedLogsServiceServer
}

func (logsService) Export(
	_ context.Context, r *logs.ExportLogsServiceRequest,
) (*logs.ExportLogsServiceResponse, error) {
	return &logs.ExportLogsServiceResponse{}, took("logs", "grpc", "", r)
}

// export answers a request over HTTP.
func export(signal string, request, answer proto.Message) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var reader io.Reader = r.Body
		compression := r.Header.Get("Content-Encoding")
		var err error
		if compression == "gzip" {
			if reader, err = gzip.NewReader(r.Body); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
		}
		body, err := io.ReadAll(reader)
		message := proto.Clone(request)
		err = errors.Join(err, proto.Unmarshal(body, message))
		if err == nil {
			err = took(signal, r.Header.Get("Content-Type"), compression, message)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		bytes, _ := proto.Marshal(answer)
		_, _ = w.Write(bytes)
	}
}

func receive() error {
	overGrpc, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	overHTTP, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	metrics.RegisterMetricsServiceServer(server, metricsService{})
	traces.RegisterTraceServiceServer(server, traceService{})
	logs.RegisterLogsServiceServer(server, logsService{})
	mux := http.NewServeMux()
	mux.Handle("POST /v1/metrics",
		export("metrics", &metrics.ExportMetricsServiceRequest{}, &metrics.ExportMetricsServiceResponse{}))
	mux.Handle("POST /v1/traces",
		export("traces", &traces.ExportTraceServiceRequest{}, &traces.ExportTraceServiceResponse{}))
	mux.Handle("POST /v1/logs",
		export("logs", &logs.ExportLogsServiceRequest{}, &logs.ExportLogsServiceResponse{}))
	failed := make(chan error, 3)
	go func() { failed <- server.Serve(overGrpc) }()
	go func() { failed <- http.Serve(overHTTP, mux) }()
	// Ends with whoever started it.
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	port := func(listener net.Listener) string {
		_, port, _ := strings.Cut(listener.Addr().String(), ":")
		return port
	}
	ports := map[string]json.Number{"grpc": json.Number(port(overGrpc)), "http": json.Number(port(overHTTP))}
	if err := tell(ports); err != nil {
		return err
	}
	return <-failed
}
