//! The thread whose runtime the exporters are built and run in, wherever the program calls from.

use std::convert::Infallible;
use std::io;
use std::sync::mpsc;
use std::thread;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// An event loop, until it is dropped.
///
/// gRPC exporters can't be built outside of one. Were it the program's, a shutdown that blocks its only thread would wait for
/// an export that runs on that very thread.
#[derive(Debug)]
pub(super) struct Thread {
    pub(super) runtime: Handle,
    /// Ends the thread when it is dropped.
    _stop: oneshot::Sender<Infallible>,
}

impl Thread {
    pub(super) fn start() -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let main = move || {
            let runtime = match Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(tell.send(Err(error))),
            };
            let _ = tell.send(Ok(runtime.handle().clone()));
            // The SDK's own threads suppress telemetry, but what they ask for happens here.
            let _suppressed = Context::enter_telemetry_suppressed_scope();
            let _: Result<Infallible, _> = runtime.block_on(stopped);
            // A name that is being looked up must not keep the thread.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("poolscope-otlp".to_owned()).spawn(main)?;
        // It says one of both before it ends.
        let runtime = told.recv().map_err(io::Error::other)??;
        Ok(Self { runtime, _stop: stop })
    }
}
