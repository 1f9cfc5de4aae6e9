//! Serving connections over hyper: one, or all that come.

use std::error::Error;
use std::pin::pin;
use std::task::Poll;

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use poolscope_semconv::value::ServerCloseReason;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tower_service::Service;

use super::body::RequestBody;
use super::connection::Connection;
use super::handle::Server;
use super::io::ServerIo;
use super::life::{Life, is};
use super::listener::Accept;

type BoxError = Box<dyn Error + Send + Sync>;

impl Server {
    /// Serves what a listener accepts, HTTP/1 and HTTP/2, each connection in a task of its own, until the server is closed and
    /// the last of them has ended. Dropped before, it cuts them.
    ///
    /// A connection that is to go ends as hyper does it: with a GOAWAY over HTTP/2, and over HTTP/1 with `connection: close`
    /// on the last answer.
    pub fn serve<A, S, R>(&self, mut accept: A, service: S) -> impl Future<Output = ()> + Send + use<A, S, R>
    where
        A: Accept,
        S: Service<Request<RequestBody<Incoming>>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let server = self.clone();
        async move {
            let mut tasks = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = accept.accept() => match accepted {
                        Some((io, _)) => {
                            tasks.spawn(server.serve_connection(io, service.clone()));
                        }
                        None => break,
                    },
                    // What became of it is in the books.
                    Some(_) = tasks.join_next() => {}
                }
            }
            drop(accept);
            while tasks.join_next().await.is_some() {}
        }
    }

    /// Serves one connection until it ends.
    pub fn serve_connection<T, S, R>(
        &self,
        io: ServerIo<T>,
        service: S,
    ) -> impl Future<Output = ()> + Send + use<T, S, R>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Service<Request<RequestBody<Incoming>>, Response = Response<R>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<BoxError>,
        R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let connection = io.connection();
        async move {
            connection.life.mark(is::DRIVEN);
            // Seen from its head on, and not only once the service is ready for it.
            let service = connection.service(TowerToHyperService::new(service));
            let mut builder = Builder::new(TokioExecutor::new());
            // For WebSockets over HTTP/2.
            builder.http2().enable_connect_protocol();
            let mut served = pin!(builder.serve_connection_with_upgrades(TokioIo::new(io), service));
            let ended = tokio::select! {
                // Both are asked at each poll of the connection, for which no dice need to be thrown.
                biased;
                ended = served.as_mut() => ended,
                // Over HTTP/1 its transport does so, which knows what has come and was not read.
                () = connection.when(|life| life.told().is_some() && life.is(is::HTTP2)) => {
                    served.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = served.as_mut() => ended,
                        () = connection.was_cut() => return,
                    }
                }
                () = connection.was_cut() => return,
            };
            if let Err(error) = ended {
                explain(&connection.life, &*error);
            }
        }
    }
}

/// Tells what hyper knows of an end and its transport does not.
fn explain(life: &Life, error: &(dyn Error + 'static)) {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(hyper::Error::is_parse) {
            life.see(ServerCloseReason::ProtocolError);
        }
        cause = error.source();
    }
}

impl Connection {
    /// Ready when it is to end now.
    async fn was_cut(&self) {
        self.when(|life| life.is(is::CUT)).await;
    }

    async fn when(&self, is_so: impl Fn(&Life) -> bool) {
        std::future::poll_fn(|cx| {
            self.life.waits_for_end(cx.waker());
            if is_so(&self.life) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}
