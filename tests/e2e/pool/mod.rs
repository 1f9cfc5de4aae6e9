//! The pools of hyper-util and reqwest against outside truth: real servers and their own counts, nginx, proxies, and the
//! kernel's table of sockets. Each scenario is written once and runs for every client that it makes sense for.

mod cancel;
mod closes;
mod http2;
mod idle;
mod layers;
mod nginx;
mod proxy;
mod reasons;
mod reuse;
mod shutdown;
mod streams;
mod upgrade;
mod world;

use poolscope_tests::client::Kind;

use self::world::{World, ok, options, slow};

/// Makes a test of a scenario for each client of some groups.
macro_rules! for_clients {
    ($scenario:ident: $($group:ident),+) => {
        mod $scenario {
            use poolscope_tests::client::Kind;
            $(crate::pool::for_clients!(@$group $scenario);)+
        }
    };
    (@all $scenario:ident) => {
        crate::pool::for_clients!(@http1 $scenario);
        crate::pool::for_clients!(@http2 $scenario);
    };
    (@http1 $scenario:ident) => {
        crate::pool::for_clients!(@hyper_http1 $scenario);
        crate::pool::for_clients!(@reqwest_http1 $scenario);
    };
    (@http2 $scenario:ident) => {
        crate::pool::for_clients!(@hyper_http2 $scenario);
        crate::pool::for_clients!(@reqwest_http2 $scenario);
    };
    (@hyper_http1 $scenario:ident) => {
        #[tokio::test]
        async fn hyper_h1() {
            super::$scenario(Kind::HyperH1).await;
        }

        #[tokio::test]
        async fn hyper_tls_h1() {
            super::$scenario(Kind::HyperTlsH1).await;
        }
    };
    (@hyper_http2 $scenario:ident) => {
        #[tokio::test]
        async fn hyper_h2() {
            super::$scenario(Kind::HyperH2).await;
        }

        #[tokio::test]
        async fn hyper_tls_h2() {
            super::$scenario(Kind::HyperTlsH2).await;
        }
    };
    (@reqwest_http1 $scenario:ident) => {
        #[tokio::test]
        async fn reqwest_h1() {
            super::$scenario(Kind::ReqwestH1).await;
        }

        #[cfg(feature = "https")]
        #[tokio::test]
        async fn reqwest_tls_h1() {
            super::$scenario(Kind::ReqwestTlsH1).await;
        }
    };
    (@reqwest_http2 $scenario:ident) => {
        #[tokio::test]
        async fn reqwest_h2() {
            super::$scenario(Kind::ReqwestH2).await;
        }

        #[cfg(feature = "https")]
        #[tokio::test]
        async fn reqwest_tls_h2() {
            super::$scenario(Kind::ReqwestTlsH2).await;
        }
    };
}
use for_clients;
