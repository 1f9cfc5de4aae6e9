//! OpenTelemetry as each case gets it: a W3C propagator, a batch processor, an exporter that drops what it gets.

/// The same set-up for one version of OpenTelemetry and of what bridges `tracing` to it.
macro_rules! tracing_with {
    ($version:ident, $api:ident, $sdk:ident, $bridge:ident) => {
        pub(crate) mod $version {
            use std::sync::Arc;
            use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

            use anyhow::Result;
            use tracing_subscriber::filter::{LevelFilter, Targets};
            use tracing_subscriber::layer::SubscriberExt as _;
            use tracing_subscriber::util::SubscriberInitExt as _;
            use $api::global::set_text_map_propagator;
            use $api::trace::TracerProvider as _;
            use $sdk::error::OTelSdkResult;
            use $sdk::propagation::TraceContextPropagator;
            use $sdk::trace::{
                BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider, SpanData, SpanExporter,
            };

            /// Spans that may wait for export: more than a round makes, since a dropped span costs nothing.
            const QUEUE: usize = 1 << 17;

            /// A tracer provider whose spans are counted and dropped.
            #[derive(Debug)]
            pub(crate) struct Tracing {
                pub(crate) provider: SdkTracerProvider,
                exported: Arc<AtomicU64>,
            }

            impl Tracing {
                /// Samples everything or nothing; sets the propagator of the process.
                pub(crate) fn new(sampled: bool) -> Self {
                    set_text_map_propagator(TraceContextPropagator::new());
                    let exported = Arc::default();
                    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
                    let processor = BatchSpanProcessor::builder(Discard(Arc::clone(&exported)))
                        .with_batch_config(config)
                        .build();
                    let provider = SdkTracerProvider::builder()
                        .with_span_processor(processor)
                        .with_sampler(if sampled { Sampler::AlwaysOn } else { Sampler::AlwaysOff })
                        .build();
                    Self { provider, exported }
                }

                /// Lets the spans of `tracing` in this process go to the tracer.
                pub(crate) fn subscribe(self) -> Result<Self> {
                    let filter = Targets::new()
                        .with_default(LevelFilter::INFO)
                        // Level of tower-http's spans, unless told otherwise.
                        .with_target("tower_http", LevelFilter::DEBUG);
                    let bridge = $bridge::layer().with_tracer(self.provider.tracer("bench"));
                    tracing_subscriber::registry().with(filter).with(bridge).try_init()?;
                    Ok(self)
                }

                /// Waits until all spans are exported, and tells how many were so far.
                pub(crate) fn flush(&self) -> Result<u64> {
                    self.provider.force_flush()?;
                    Ok(self.exported.load(Relaxed))
                }
            }

            #[derive(Debug)]
            struct Discard(Arc<AtomicU64>);

            impl SpanExporter for Discard {
                async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
                    self.0.fetch_add(batch.len() as u64, Relaxed);
                    Ok(())
                }
            }
        }
    };
}

tracing_with!(current, opentelemetry, opentelemetry_sdk, tracing_opentelemetry);
// What reqwest-tracing knows.
tracing_with!(v0_32, opentelemetry_0_32, opentelemetry_sdk_0_32, tracing_opentelemetry_0_33);
