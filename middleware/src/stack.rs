//! [`Stack`]: all layers in the right order, in one call.
//!
//! ```text
//! shutdown > guard > timeout of the call > retry > breaker > limit > layers of the attempt > request layer > client
//! ```
//!
//! from the outside in, each only if it was given:
//!
//! - The **shutdown** is outermost, so that it refuses and cuts whole calls.
//! - The **guard** of the process's resources is next, since a call that must not begin needs nothing of what follows.
//! - The **timeout of the call** has all attempts in it, and the waits between them.
//! - The **breaker** is inside of the retry, so that each attempt counts, and an open one ends the retries.
//! - The **limit** is inside of the breaker, so that nobody waits in a queue for what an open breaker will refuse; what the
//!   limit refuses says nothing about the destination, and the breaker does not count it.
//! - The **layers of the attempt**, timeouts above all, are inside of the limit, so that the wait in its queue is not a part
//!   of the attempt's time.
//! - The **request layer** is right around the client, and sees every attempt.
//!
//! What is not given is not there: no layer that is switched off, no branch, no type in the error.
//!
//! ```
//! use std::time::Duration;
//! use poolscope::breaker::BreakerLayer;
//! use poolscope::limit::LimitLayer;
//! use poolscope::retry::RetryPolicy;
//! use poolscope::timeout::TimeoutLayer;
//! use poolscope::{Scope, Stack};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let scope = Scope::new();
//! let client = scope.client("payments");
//! let http = Stack::new(&client)
//!     .call_timeout(TimeoutLayer::new(&scope, "call", Duration::from_secs(10))?)
//!     .retry(RetryPolicy::new(&scope, "payments"))
//!     .breaker(BreakerLayer::new(&scope))
//!     .limit(LimitLayer::builder(&client).per_destination(20).build()?)
//!     .attempt(TimeoutLayer::new(&scope, "attempt", Duration::from_secs(2))?)
//!     .reqwest(reqwest::Client::builder())?;
//! // A tower service, cheap to clone: `http.clone().oneshot(request).await`.
//! # drop(http);
//! # Ok(())
//! # }
//! ```
//!
//! Each error of the service wraps the one of the layer inside of it; [`Stopped::find`](crate::Stopped::find) tells which of
//! them it was.

use tower_layer::Layer;

use crate::ClientScope;
use crate::breaker::BreakerLayer;
use crate::guard::GuardLayer;
use crate::limit::LimitLayer;
use crate::retry::{RetryLayer, RetryPolicy};
use crate::shutdown::ShutdownLayer;
use crate::timeout::TimeoutLayer;

/// All layers in the right order. See the [module](self).
///
/// The types are those of its layers, from the outside in; `()` is one that was not given.
#[derive(Debug, Clone)]
#[must_use]
pub struct Stack<Sh = (), G = (), C = (), R = (), B = (), L = (), A = ()> {
    client: ClientScope,
    shutdown: Sh,
    guard: G,
    call: C,
    retry: R,
    breaker: B,
    limit: L,
    attempt: A,
}

impl Stack {
    /// A stack with nothing but the layers that observe.
    pub fn new(client: &ClientScope) -> Self {
        let client = client.clone();
        Self { client, shutdown: (), guard: (), call: (), retry: (), breaker: (), limit: (), attempt: () }
    }
}

impl<G, C, R, B, L, A> Stack<(), G, C, R, B, L, A> {
    /// Takes part in the [shutdown](crate::shutdown) of the client's scope.
    pub fn shutdown(self) -> Stack<ShutdownLayer, G, C, R, B, L, A> {
        let shutdown = ShutdownLayer::new(self.client.scope());
        let Self { client, shutdown: (), guard, call, retry, breaker, limit, attempt } = self;
        Stack { client, shutdown, guard, call, retry, breaker, limit, attempt }
    }
}

impl<Sh, C, R, B, L, A> Stack<Sh, (), C, R, B, L, A> {
    /// Refuses calls while the process runs out of a resource.
    pub fn guard(self, guard: GuardLayer) -> Stack<Sh, GuardLayer, C, R, B, L, A> {
        let Self { client, shutdown, guard: (), call, retry, breaker, limit, attempt } = self;
        Stack { client, shutdown, guard, call, retry, breaker, limit, attempt }
    }
}

impl<Sh, G, R, B, L, A> Stack<Sh, G, (), R, B, L, A> {
    /// Limits the time of a call with all of its attempts.
    pub fn call_timeout<K>(self, call: TimeoutLayer<K>) -> Stack<Sh, G, TimeoutLayer<K>, R, B, L, A> {
        let Self { client, shutdown, guard, call: (), retry, breaker, limit, attempt } = self;
        Stack { client, shutdown, guard, call, retry, breaker, limit, attempt }
    }
}

impl<Sh, G, C, B, L, A> Stack<Sh, G, C, (), B, L, A> {
    /// Tries calls again.
    pub fn retry(self, policy: RetryPolicy) -> Stack<Sh, G, C, RetryLayer, B, L, A> {
        let Self { client, shutdown, guard, call, retry: (), breaker, limit, attempt } = self;
        Stack { client, shutdown, guard, call, retry: RetryLayer::new(policy), breaker, limit, attempt }
    }
}

impl<Sh, G, C, R, L, A> Stack<Sh, G, C, R, (), L, A> {
    /// Stops calling a destination that fails.
    pub fn breaker(self, breaker: BreakerLayer) -> Stack<Sh, G, C, R, BreakerLayer, L, A> {
        let Self { client, shutdown, guard, call, retry, breaker: (), limit, attempt } = self;
        Stack { client, shutdown, guard, call, retry, breaker, limit, attempt }
    }
}

impl<Sh, G, C, R, B, A> Stack<Sh, G, C, R, B, (), A> {
    /// Bounds the requests in flight.
    pub fn limit(self, limit: LimitLayer) -> Stack<Sh, G, C, R, B, LimitLayer, A> {
        let Self { client, shutdown, guard, call, retry, breaker, limit: (), attempt } = self;
        Stack { client, shutdown, guard, call, retry, breaker, limit, attempt }
    }
}

impl<Sh, G, C, R, B, L> Stack<Sh, G, C, R, B, L, ()> {
    /// What is around each attempt: a timeout, any other layer, or several in a tuple, the outermost first, such as the
    /// timeouts of the acquire, of the headers and of each read of the body.
    pub fn attempt<A>(self, attempt: A) -> Stack<Sh, G, C, R, B, L, A> {
        let Self { client, shutdown, guard, call, retry, breaker, limit, attempt: () } = self;
        Stack { client, shutdown, guard, call, retry, breaker, limit, attempt }
    }
}

/// The service of a stack around a service.
pub type Stacked<T, S> = <T as Layer<S>>::Service;

impl<Sh, G, C, R, B, L, A> Stack<Sh, G, C, R, B, L, A> {
    /// Builds a client of reqwest inside of the stack, with the connect layer and the request layer.
    ///
    /// # Errors
    ///
    /// What reqwest says when it can't build the client.
    #[cfg(feature = "reqwest")]
    pub fn reqwest(
        self,
        builder: reqwest::ClientBuilder,
    ) -> reqwest::Result<Stacked<Self, crate::reqwest::RequestService<reqwest::Client>>>
    where
        Self: Layer<crate::reqwest::RequestService<reqwest::Client>>,
    {
        let connect = crate::reqwest::ConnectLayer::new(&self.client);
        let client = builder.connector_layer(connect).build()?;
        Ok(self.layer(crate::reqwest::RequestLayer::new(&self.client).layer(client)))
    }

    /// Builds a client of hyper-util inside of the stack over a connector, with the connect layer and the request layer.
    #[cfg(feature = "hyper")]
    pub fn hyper<T, D>(
        self,
        builder: &hyper_util::client::legacy::Builder,
        connector: T,
    ) -> Stacked<Self, Hyper<T, D>>
    where
        crate::hyper::Connect<T>: hyper_util::client::legacy::connect::Connect + Clone,
        D: http_body::Body + Send,
        D::Data: Send,
        Self: Layer<Hyper<T, D>>,
    {
        let connector = crate::hyper::ConnectLayer::new(&self.client).layer(connector);
        let client = builder.build(connector);
        self.layer(crate::hyper::RequestLayer::new(&self.client).layer(client))
    }
}

/// A client of hyper-util over a connector, with both layers that observe; requests have bodies of the second type.
#[cfg(feature = "hyper")]
pub type Hyper<T, D> = crate::hyper::RequestService<
    hyper_util::client::legacy::Client<crate::hyper::Connect<T>, crate::hyper::RequestBody<D>>,
>;

/// Around a service that is observed already, or not at all.
impl<S, Sh, G, C, R, B, L, A> Layer<S> for Stack<Sh, G, C, R, B, L, A>
where
    A: Layer<S>,
    L: Layer<A::Service>,
    B: Layer<L::Service>,
    R: Layer<B::Service>,
    C: Layer<R::Service>,
    G: Layer<C::Service>,
    Sh: Layer<G::Service>,
{
    type Service = Sh::Service;

    fn layer(&self, inner: S) -> Self::Service {
        let attempt = self.attempt.layer(inner);
        let tried = self.retry.layer(self.breaker.layer(self.limit.layer(attempt)));
        self.shutdown.layer(self.guard.layer(self.call.layer(tried)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::task::{Context, Poll};

    use tower::{ServiceExt, service_fn};
    use tower_service::Service;

    use super::*;
    use crate::Scope;

    /// Writes down that it was called.
    #[derive(Clone)]
    struct Named<S = ()>(&'static str, Arc<Mutex<Vec<&'static str>>>, S);

    impl<S> Layer<S> for Named {
        type Service = Named<S>;

        fn layer(&self, inner: S) -> Named<S> {
            Named(self.0, Arc::clone(&self.1), inner)
        }
    }

    impl<S: Service<R>, R> Service<R> for Named<S> {
        type Response = S::Response;
        type Error = S::Error;
        type Future = S::Future;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
            self.2.poll_ready(cx)
        }

        fn call(&mut self, request: R) -> S::Future {
            self.1.lock().unwrap().push(self.0);
            self.2.call(request)
        }
    }

    #[tokio::test]
    async fn layers_are_in_the_order_of_the_picture() {
        let called = Arc::new(Mutex::new(Vec::new()));
        let named = |name| Named(name, Arc::clone(&called), ());
        let stack = Stack {
            client: Scope::new().client("test"),
            shutdown: named("shutdown"),
            guard: named("guard"),
            call: named("call"),
            retry: named("retry"),
            breaker: named("breaker"),
            limit: named("limit"),
            attempt: (named("outer attempt"), named("inner attempt")),
        };
        let service = stack.layer(service_fn(|()| async { Ok::<_, std::io::Error>(()) }));
        service.oneshot(()).await.unwrap();
        let expected =
            ["shutdown", "guard", "call", "retry", "breaker", "limit", "outer attempt", "inner attempt"];
        assert_eq!(*called.lock().unwrap(), expected);
    }
}
