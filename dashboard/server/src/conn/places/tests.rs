//! Places under a clock that the test moves.

use super::*;

const PATIENCE: Patience = Patience { header: Duration::from_secs(10), idle: Duration::from_secs(60) };

fn address(last: u8) -> IpAddr {
    [10, 0, 0, last].into()
}

fn is_cut(placed: &Placed) -> bool {
    placed.place.is_cut.load(Relaxed)
}

#[tokio::test(start_paused = true)]
async fn who_never_asked_makes_room_first_and_who_is_busy_stays() {
    let places = Arc::new(Places::new(3, false, PATIENCE));
    let [busy, used, new] = [1, 2, 3].map(|last| Arc::new(places.take(address(last)).unwrap()));
    let _request = busy.begin(true);
    drop(used.begin(true));
    tokio::time::advance(Duration::from_secs(1)).await;
    let next = places.take(address(4)).unwrap();
    assert!(is_cut(&new) && !is_cut(&used) && !is_cut(&busy));
    let next = Arc::new(next);
    let _request = next.begin(true);
    let last = Arc::new(places.take(address(5)).unwrap());
    assert!(is_cut(&used) && !is_cut(&busy));
    let request = last.begin(true);
    // All are busy now.
    let waiting = places.room();
    tokio::pin!(waiting);
    assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    // One that was accepted before they were is not turned away.
    let accepted = places.find(address(6));
    tokio::pin!(accepted);
    assert!(timeout(Duration::from_secs(1), &mut accepted).await.is_err());
    drop(request);
    timeout(Duration::from_secs(1), waiting).await.unwrap();
    let _found = timeout(Duration::from_secs(1), accepted).await.unwrap().unwrap();
    assert_eq!((places.cuts(Cut::MadeRoom), places.waits()), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn one_address_leaves_some_places_to_others() {
    let places = Arc::new(Places::new(8, true, PATIENCE));
    let mine: Vec<_> = (0..7).map(|_| Arc::new(places.take(address(1)).unwrap())).collect();
    let requests: Vec<_> = mine.iter().map(|placed| placed.begin(true)).collect();
    assert!(matches!(places.take(address(1)), Err(NoPlace::Share)));
    assert!(places.take(address(2)).is_ok());
    drop(requests);
    assert!(places.take(address(1)).is_ok());
    assert_eq!((places.cuts(Cut::Share), places.cuts(Cut::MadeRoom)), (1, 1));
    let network: [IpAddr; 2] = ["2001:db8::1".parse().unwrap(), "2001:db8::2:0:0:1".parse().unwrap()];
    assert_eq!(subscriber_of(network[0]), subscriber_of(network[1]));
    assert_eq!(subscriber_of("::ffff:10.0.0.1".parse().unwrap()), address(1));
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_is_cut_for_its_reason() {
    let places = Arc::new(Places::new(9, false, PATIENCE));
    let [never, dripping, h2, idle, stalled, fine] =
        [1, 2, 3, 4, 5, 6].map(|last| Arc::new(places.take(address(last)).unwrap()));
    for placed in [&dripping, &idle] {
        drop(placed.begin(true));
    }
    drop(h2.begin(false));
    let (_stalled, _fine) = (stalled.begin(true), fine.begin(true));
    dripping.read();
    // Bytes between requests of HTTP/2 are no request.
    h2.read();
    tokio::time::advance(Duration::from_secs(10)).await;
    dripping.read();
    places.sweep();
    assert!(is_cut(&never) && is_cut(&dripping) && !is_cut(&h2) && !is_cut(&idle));
    assert_eq!((places.cuts(Cut::SlowHead), places.cuts(Cut::Idle)), (1, 1));
    tokio::time::advance(Duration::from_secs(50)).await;
    fine.wrote();
    places.sweep();
    assert!(is_cut(&idle) && is_cut(&h2) && is_cut(&stalled) && !is_cut(&fine));
    assert_eq!((places.cuts(Cut::Idle), places.cuts(Cut::Stalled)), (3, 1));
    assert_eq!(places.used(), (6, 9));
    drop((never, dripping));
    assert_eq!(places.used(), (4, 9));
}
