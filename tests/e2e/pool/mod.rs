//! The pools of hyper-util and reqwest against outside truth: real servers and their own counts, nginx, proxies, and the
//! kernel's table of sockets. Each scenario is written once and runs for every client that it makes sense for.

mod cancel;
mod closes;
mod http2;
mod idle;
mod layers;
mod limits;
mod nginx;
mod proxy;
mod reasons;
mod redirect;
mod reuse;
mod scripted;
mod shutdown;
mod streams;
mod upgrade;
mod world;

use poolscope_tests::client::Kind;

use self::world::{World, ok, options, slow};

/// Makes tests of a scenario for each client of some groups: one in a runtime of one thread, one in a runtime of several,
/// where what a request, its connection and its caller do comes in more than one order.
macro_rules! for_clients {
    ($scenario:ident: $($group:ident),+) => {
        mod $scenario {
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
        crate::pool::for_clients!(@client $scenario hyper_h1 HyperH1);
        crate::pool::for_clients!(@client $scenario hyper_tls_h1 HyperTlsH1);
    };
    (@hyper_http2 $scenario:ident) => {
        crate::pool::for_clients!(@client $scenario hyper_h2 HyperH2);
        crate::pool::for_clients!(@client $scenario hyper_tls_h2 HyperTlsH2);
    };
    (@reqwest_http1 $scenario:ident) => {
        crate::pool::for_clients!(@client $scenario reqwest_h1 ReqwestH1);
        #[cfg(feature = "https")]
        crate::pool::for_clients!(@client $scenario reqwest_tls_h1 ReqwestTlsH1);
    };
    (@reqwest_http2 $scenario:ident) => {
        crate::pool::for_clients!(@client $scenario reqwest_h2 ReqwestH2);
        #[cfg(feature = "https")]
        crate::pool::for_clients!(@client $scenario reqwest_tls_h2 ReqwestTlsH2);
    };
    (@client $scenario:ident $client:ident $kind:ident) => {
        mod $client {
            use poolscope_tests::client::Kind;

            #[tokio::test]
            async fn one_thread() {
                super::super::$scenario(Kind::$kind).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
            async fn threads() {
                super::super::$scenario(Kind::$kind).await;
            }
        }
    };
}
use for_clients;
