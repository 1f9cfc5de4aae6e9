//! A name server in the program: each name is 127.0.0.1 but for one, and an answer comes when the test lets it.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::client::legacy::connect::dns::Name;
use reqwest::dns::{self, Addrs, Resolve, Resolving};
use tokio::sync::Semaphore;
use tower::{BoxError, Service};

/// The name that does not resolve.
pub const UNKNOWN: &str = "unknown.test";

/// Resolves names for hyper-util and for reqwest.
#[derive(Debug, Clone)]
pub struct Resolver {
    delay: Duration,
    answers: Arc<Semaphore>,
}

/// There is no such name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no such name")]
pub struct NoSuchName;

impl Resolver {
    /// Each answer takes so long.
    #[must_use]
    pub fn slow(delay: Duration) -> Self {
        Self { delay, answers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)) }
    }

    /// No answer comes before [`Resolver::let_through`].
    #[must_use]
    pub fn stuck() -> Self {
        Self { delay: Duration::ZERO, answers: Arc::new(Semaphore::new(0)) }
    }

    /// Lets so many more answers through.
    pub fn let_through(&self, answers: usize) {
        self.answers.add_permits(answers);
    }

    async fn answer(self, name: String) -> Result<SocketAddr, NoSuchName> {
        tokio::time::sleep(self.delay).await;
        self.answers.acquire().await.map_err(|_| NoSuchName)?.forget();
        if name == UNKNOWN {
            return Err(NoSuchName);
        }
        // The port is the URL's.
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }
}

impl Service<Name> for Resolver {
    type Response = std::iter::Once<SocketAddr>;
    type Error = NoSuchName;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, NoSuchName>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoSuchName>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let answer = self.clone().answer(name.as_str().to_owned());
        Box::pin(async move { answer.await.map(std::iter::once) })
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: dns::Name) -> Resolving {
        let answer = self.clone().answer(name.as_str().to_owned());
        Box::pin(async move {
            let address = answer.await.map_err(BoxError::from)?;
            Ok(Box::new(std::iter::once(address)) as Addrs)
        })
    }
}
