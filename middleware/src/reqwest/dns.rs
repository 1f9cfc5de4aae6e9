//! [`DnsResolver`]: times the name look-ups of a reqwest client.

use std::sync::Arc;

use hyper_util::client::legacy::connect::dns::GaiResolver;
use poolscope_semconv::value::ConnectPhase;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tower_service::Service;

use crate::current;

/// Times name look-ups, so that a connect tells how much of it was one; give it to `ClientBuilder::dns_resolver`.
///
/// Through a proxy it is the proxy's name that is looked up. What is left of a connect is `tcp`, or `tcp_tls` over TLS, and
/// a tunnel (`CONNECT`) that is asked for in between is part of it.
///
/// ```
/// use poolscope::{Scope, reqwest::{ConnectLayer, DnsResolver}};
///
/// # fn run() -> Result<(), reqwest::Error> {
/// let client = reqwest::Client::builder()
///     .dns_resolver(DnsResolver::system())
///     .connector_layer(ConnectLayer::new(&Scope::new().client("search")))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct DnsResolver(Arc<dyn Resolve>);

impl DnsResolver {
    /// The resolver of the system, as reqwest has it by default.
    #[must_use]
    pub fn system() -> Self {
        Self::new(Arc::new(System))
    }

    /// A resolver of the program's own.
    #[must_use]
    pub fn new(inner: Arc<dyn Resolve>) -> Self {
        Self(inner)
    }
}

impl std::fmt::Debug for DnsResolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DnsResolver")
    }
}

impl Resolve for DnsResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let attempt = current::attempt();
        if let Some(attempt) = &attempt {
            attempt.ask(name.as_str());
        }
        let resolving = self.0.resolve(name);
        Box::pin(async move {
            let addrs = resolving.await?;
            if let Some(attempt) = attempt {
                attempt.end(ConnectPhase::Dns);
            }
            Ok(addrs)
        })
    }
}

/// `getaddrinfo` in a thread.
struct System;

impl Resolve for System {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().parse();
        Box::pin(async move {
            let addrs = GaiResolver::new().call(name?).await?;
            Ok(Box::new(addrs) as Addrs)
        })
    }
}
