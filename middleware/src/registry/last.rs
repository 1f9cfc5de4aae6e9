//! The destination that this thread asked for last, so that the next request to it needs no look-up.
//!
//! To read host and port out of an authority and to hash them costs more than all the counting of a request. Most requests
//! of a thread go where the one before went, and for those a comparison of bytes is enough.
//!
//! The thread keeps a record of a request for that pool too: what ended last is used for what begins next, without a word
//! to the other threads.

use std::cell::RefCell;
use std::sync::{Arc, Weak};

use http::Uri;

use super::key::{DestinationRef, WrittenUri};
use super::pool::Pool;
use super::request::Request;

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

/// A client, and the pool of its last request, which is not kept alive by it.
struct Last {
    client: u64,
    pool: Weak<Pool>,
    /// The destination as the request wrote it, if it wrote it as a URI.
    uri: Option<WrittenUri>,
    /// A record of the pool that waits to be used.
    spare: Option<Arc<Request>>,
}

impl Last {
    #[inline]
    fn is(&self, pool: &Pool) -> bool {
        std::ptr::eq(self.pool.as_ptr(), pool)
    }
}

/// The pool of a URI, if the last request of this thread by the same client went there too.
#[inline]
pub(super) fn pool_at(client: u64, uri: &Uri) -> Option<Arc<Pool>> {
    read(|last| {
        let is_same = last.client == client && last.uri.as_ref()?.is(uri);
        if is_same { last.pool.upgrade() } else { None }
    })
}

/// The pool of a destination, if the last request of this thread by the same client went there too.
#[inline]
pub(super) fn pool(client: u64, destination: &DestinationRef<'_>) -> Option<Arc<Pool>> {
    read(|last| {
        let pool = if last.client == client { last.pool.upgrade() } else { None };
        pool.filter(|pool| pool.is_of(destination))
    })
}

/// A thread that is about to end remembers nothing.
#[inline]
fn read<R>(read: impl FnOnce(&Last) -> Option<R>) -> Option<R> {
    // Unlike `with_borrow`, it is put in line.
    LAST.try_with(|last| read(last.borrow().as_ref()?)).ok().flatten()
}

/// A record that this thread keeps for a pool.
#[inline]
pub(super) fn spare(pool: &Pool) -> Option<Arc<Request>> {
    LAST.try_with(|last| last.borrow_mut().as_mut().filter(|last| last.is(pool))?.spare.take()).ok().flatten()
}

/// Keeps a record for the next request to its pool; gives it back if this thread has one, or asks another pool.
#[inline]
pub(super) fn keep(pool: &Pool, record: Arc<Request>) -> Option<Arc<Request>> {
    let mut record = Some(record);
    let _ = LAST.try_with(|last| {
        if let Some(last) = last.borrow_mut().as_mut().filter(|last| last.is(pool) && last.spare.is_none()) {
            last.spare = record.take();
        }
    });
    record
}

/// Remembers where a request went.
pub(super) fn remember(client: u64, uri: Option<&Uri>, pool: &Arc<Pool>) {
    let last = Last { client, pool: Arc::downgrade(pool), uri: uri.and_then(WrittenUri::of), spare: None };
    // A thread that is about to end has nothing to remember any more.
    let before = LAST.try_with(|kept| kept.replace(Some(last))).ok().flatten();
    if let Some(Last { pool, spare: Some(spare), .. }) = before
        && let Some(pool) = pool.upgrade()
    {
        pool.put_back(spare);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;
    use crate::clock::Instant;

    #[test]
    fn a_destination_is_one_pool_however_it_is_written() {
        let scope = Scope::new();
        let client = scope.client("test");
        let uri = |text: &str| text.parse::<Uri>().unwrap();
        let pool = client.pool_at(&uri("http://host.example:8080/a"));
        for _ in 0..2 {
            for text in ["http://host.example:8080/b", "http://HOST.example:8080"] {
                assert!(Arc::ptr_eq(&pool, &client.pool_at(&uri(text))), "{text}");
            }
            let destination = DestinationRef::lower_case("http", "host.example", Some(8080));
            assert!(Arc::ptr_eq(&pool, &client.pool(&destination)));
        }
    }

    #[test]
    fn a_record_is_used_again_by_its_pool_alone() {
        let scope = Scope::new();
        let client = scope.client("test");
        let at = |text: &'static str| client.pool_at(&Uri::from_static(text));
        let start = |pool: &Arc<Pool>| Request::start(Arc::clone(pool), &http::Method::GET, Instant::now());
        let (first, second) = ("http://first.example", "http://second.example");
        let record = start(&at(first));
        let place = Arc::as_ptr(&record);
        Pool::take_back(record);
        let record = start(&at(first));
        assert_eq!(Arc::as_ptr(&record), place);
        Pool::take_back(record);
        let other = start(&at(second));
        assert_ne!(Arc::as_ptr(&other), place, "another pool's record");
        let record = start(&at(first));
        assert_eq!(
            Arc::as_ptr(&record),
            place,
            "a thread that has asked another pool since has given it back"
        );
        // What two requests leave at a time is not lost.
        let both = [record, start(&at(first))];
        let mut places = both.each_ref().map(Arc::as_ptr);
        both.into_iter().for_each(Pool::take_back);
        let both = [start(&at(first)), start(&at(first))];
        let mut again = both.each_ref().map(Arc::as_ptr);
        places.sort();
        again.sort();
        assert_eq!(places, again);
    }

    /// Each client has its place in memory from the one before it.
    #[test]
    fn a_pool_that_outlives_its_client_is_no_other_clients() {
        let uri = Uri::from_static("http://host.example");
        let mut pools = Vec::new();
        for _ in 0..100 {
            let scope = Scope::new();
            pools.push(scope.client("test").pool_at(&uri));
            assert_eq!(scope.snapshot().pools.len(), 1, "the pool is the scope's own");
        }
    }

    #[test]
    fn what_differs_in_anything_is_another_pool() {
        let scope = Scope::new();
        let client = scope.client("test");
        let first = client.pool_at(&Uri::from_static("http://host.example:443"));
        let is_first = |pool: &Arc<Pool>| Arc::ptr_eq(&first, pool);
        for (scheme, host, port) in [
            ("https", "host.example", Some(443)),
            ("http", "host.example", Some(80)),
            ("http", "host.exampl", Some(443)),
        ] {
            assert!(is_first(&client.pool(&DestinationRef::lower_case("http", "host.example", Some(443)))));
            assert!(
                !is_first(&client.pool(&DestinationRef::lower_case(scheme, host, port))),
                "{scheme} {host}"
            );
        }
        assert!(is_first(&client.pool_at(&Uri::from_static("http://host.example:443"))));
        assert!(!is_first(&client.pool_at(&Uri::from_static("https://host.example:443"))));
        assert!(!is_first(&scope.client("other").pool_at(&Uri::from_static("http://host.example:443"))));
    }
}
