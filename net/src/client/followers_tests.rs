use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use zeolith_core::ids::Oid;

fn change(tid: u64) -> Change {
    Change::Objects { tid: Tid(tid), oids: vec![Oid(tid)] }
}

fn everything(tid: u64) -> Option<Change> {
    Some(Change::Everything { tid: Tid(tid) })
}

/// Followers of a storage whose last transaction was 10 at first, and has been followed by these.
fn after_10(tids: &[u64]) -> Followers {
    let mut followers = Followers::new(Some(Tid(10)));
    for &tid in tids {
        followers.push(change(tid));
        followers.arrive(Some(Tid(tid)));
    }
    followers
}

/// All that is to be told from a place on.
fn told(followers: &Followers, mut place: Place) -> Vec<Change> {
    std::iter::from_fn(|| followers.next(&mut place)).collect()
}

#[test]
fn a_follower_begins_exactly_behind_its_snapshot() {
    let followers = after_10(&[11, 13, 15]);
    for (tid, expected) in [(10, 0), (11, 1), (12, 1), (13, 2), (15, 3), (16, 3)] {
        let all = [change(11), change(13), change(15)];
        assert_eq!(told(&followers, followers.after(Tid(tid))), all[expected..], "after {tid}");
    }
    assert_eq!(told(&followers, followers.end()), []);
}

#[test]
fn what_came_before_the_first_change_that_is_known_may_be_anything() {
    let followers = after_10(&[11]);
    let told = told(&followers, followers.after(Tid(9)));
    assert_eq!(told, [everything(10).unwrap(), change(11)]);
}

#[test]
fn before_anything_is_known_there_is_nothing_to_tell() {
    let mut followers = Followers::new(None);
    let mut place = followers.after(Tid(5));
    let mut end = followers.end();
    assert_eq!(followers.next(&mut place), None);
    followers.arrive(Some(Tid(20)));
    assert_eq!(followers.next(&mut place), everything(20));
    assert_eq!(followers.next(&mut end), None);
    followers.push(change(21));
    assert_eq!((followers.next(&mut place), followers.next(&mut end)), (Some(change(21)), Some(change(21))));
}

#[test]
fn a_dropped_cache_is_told_to_all_once() {
    let mut followers = after_10(&[11, 12]);
    let (mut slow, mut fast) = (followers.after(Tid(10)), followers.end());
    followers.push(Change::Everything { tid: Tid(7) });
    followers.arrive(Some(Tid(7)));
    followers.push(change(8));
    for place in [&mut slow, &mut fast] {
        assert_eq!(followers.next(place), everything(7));
        assert_eq!(followers.next(place), Some(change(8)));
        assert_eq!(followers.next(place), None);
    }
}

#[test]
fn a_last_tid_that_nobody_told_of_is_a_change_of_anything() {
    let mut followers = after_10(&[11]);
    let mut place = followers.end();
    followers.arrive(Some(Tid(14)));
    assert_eq!(followers.next(&mut place), everything(14));
    followers.arrive(Some(Tid(14)));
    followers.arrive(None);
    assert_eq!(followers.next(&mut place), None);
}

#[test]
fn who_is_too_far_behind_is_told_that_anything_may_have_changed() {
    let many = |tid: u64, count| Change::Objects { tid: Tid(tid), oids: vec![Oid(1); count] };
    let mut followers = Followers::new(Some(Tid(10)));
    let mut place = followers.end();
    followers.push(many(11, limits::CHANGES_KEPT - 3));
    followers.push(change(12));
    assert_eq!(followers.clone_next(place), Some(many(11, limits::CHANGES_KEPT - 3)), "at the limit");
    followers.push(change(13));
    assert_eq!(followers.next(&mut place), everything(11));
    assert_eq!(followers.next(&mut place), Some(change(12)));
    followers.push(many(14, limits::CHANGES_KEPT));
    assert_eq!(followers.next(&mut place), everything(14), "one transaction that is too large by itself");
    assert_eq!(followers.next(&mut place), None);
}

impl Followers {
    fn clone_next(&self, mut place: Place) -> Option<Change> {
        self.next(&mut place)
    }
}

#[test]
fn a_change_wakes_those_who_wait_and_no_others() {
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Waker::from(count.clone());
    let mut followers = Followers::new(Some(Tid(10)));
    let (one, other) = (followers.follower(), followers.follower());
    followers.wait(one, &waker);
    followers.wait(one, &waker);
    followers.wait(other, &waker);
    followers.leave(other);
    followers.push(change(11));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
    followers.push(change(12));
    assert_eq!(count.0.load(Ordering::Relaxed), 1);
}
