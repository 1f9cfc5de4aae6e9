//! The metrics of a pool through the program's own `MeterProvider`, beside a metric of the program.
//!
//! `cargo run -p poolscope --features hyper,meter --example meter_provider`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::error::Error;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use poolscope::Scope;
use poolscope::hyper::{ConnectLayer, RequestLayer};
use tower::{Layer, ServiceExt};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // What a program has: a provider with its resource and its exporter, here one that keeps everything in memory.
    let exporter = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(exporter.clone()).with_interval(Duration::from_secs(10)).build();
    let resource = Resource::builder().with_service_name("shop").build();
    let provider = SdkMeterProvider::builder().with_resource(resource).with_reader(reader).build();
    let orders = provider.meter("shop").u64_counter("shop.orders").build();

    // The one call, before the first request.
    let scope = Scope::new();
    let bridge = poolscope::meter::register(&scope, &provider)?;

    let client = scope.client("payments");
    let connector = ConnectLayer::new(&client).layer(HttpConnector::new());
    let pay = RequestLayer::new(&client).layer(Client::builder(TokioExecutor::new()).build(connector));
    let url = format!("http://127.0.0.1:{}/", serve()?);
    for _ in 0..3 {
        let request = http::Request::get(&url).body(Empty::<Bytes>::new())?;
        pay.clone().oneshot(request).await?.into_body().collect().await?;
        orders.add(1, &[]);
    }

    // At the end of the program: sends what is left, and asks the bridge a last time.
    provider.shutdown()?;
    drop(bridge);
    exporter.get_finished_metrics()?.iter().for_each(show);
    Ok(())
}

/// A server of one connection, which answers all that comes; gives its port.
fn serve() -> std::io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || -> std::io::Result<()> {
        let (mut connection, _) = listener.accept()?;
        let mut request = [0; 4096];
        while connection.read(&mut request)? > 0 {
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\npaid")?;
        }
        Ok(())
    });
    Ok(port)
}

/// Prints the sums of each metric.
fn show(export: &ResourceMetrics) {
    for metric in export.scope_metrics().flat_map(ScopeMetrics::metrics) {
        let points: Vec<_> = match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value().to_string()).collect()
            }
            AggregatedMetrics::I64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value().to_string()).collect()
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                .data_points()
                .map(|point| format!("{} in {:.6} {}", point.count(), point.sum(), metric.unit()))
                .collect(),
            _ => continue,
        };
        println!("{}: {}", metric.name(), points.join(", "));
    }
}
