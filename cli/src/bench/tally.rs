//! What came of the operations of one row on one server.

use std::time::{Duration, Instant};

use zeolith_core::ids::Tid;

use super::client::News;
use super::histogram::Histogram;

/// Counts and latencies.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// From a load's request to its reply.
    pub loads: Histogram,
    /// From a transaction's begin to the reply to its finish.
    pub commits: Histogram,
    /// From a finish's request to the moment at which the last listener had the invalidation.
    pub spread: Histogram,
    /// Transactions that were given up because of conflicts.
    pub conflicts: u64,
    /// Slices of time.
    pub slices: Vec<Slice>,
    /// The server's CPU time; `None` when it is not known.
    pub cpu: Option<Duration>,
}

/// One uninterrupted stretch of operations.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slice {
    /// Operations, those in conflict not counted.
    pub operations: u64,
    /// From the first one's start to the last one's end.
    pub elapsed: Duration,
}

impl Slice {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

impl Tally {
    /// Operations of all slices.
    pub fn operations(&self) -> u64 {
        self.slices.iter().map(|slice| slice.operations).sum()
    }

    /// Time of all slices.
    pub fn elapsed(&self) -> Duration {
        self.slices.iter().map(|slice| slice.elapsed).sum()
    }

    /// The median of the slices' operations a second: a slice that was disturbed does not count for more than one.
    pub fn rate(&self) -> f64 {
        median(self.slices.iter().map(Slice::rate).collect())
    }

    /// Latencies of whatever the row is about.
    pub fn latencies(&self) -> Histogram {
        if self.spread.count() > 0 {
            return self.spread.clone();
        }
        let mut all = self.loads.clone();
        all.merge(&self.commits);
        all
    }
}

/// The middle one, or the mean of the middle two; zero of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    let Some(upper) = numbers.get(numbers.len() / 2) else { return 0.0 };
    (numbers[(numbers.len() - 1) / 2] + upper) / 2.0
}

/// What one slice has brought so far.
#[derive(Debug)]
pub struct Board<'a> {
    tally: &'a mut Tally,
    /// Operations that ended.
    pub operations: u64,
    /// When the last one did.
    pub last: Option<Instant>,
    /// Operations that are to be followed by another.
    pub ended: usize,
    fan: Option<FanOut>,
}

/// Listeners that hear of a commit.
#[derive(Debug, Default)]
struct FanOut {
    listeners: usize,
    /// Who was heard of by how many; only transactions that are not known to be ours and complete.
    heard: Vec<(Tid, usize)>,
    /// The commit that is under way: when its finish was sent and, once it is known, its tid.
    finished: Option<(Instant, Tid)>,
}

impl Board<'_> {
    /// An empty one. With `listeners` a commit ends only when so many clients have heard of it.
    pub fn new(tally: &mut Tally, listeners: Option<usize>) -> Board<'_> {
        let fan = listeners.map(|listeners| FanOut { listeners, ..FanOut::default() });
        Board { tally, operations: 0, last: None, ended: 0, fan }
    }

    /// Takes what a client heard.
    pub fn note(&mut self, news: News, now: Instant) {
        match news {
            News::Loaded { begun } => {
                self.tally.loads.add(now - begun);
                self.end(now, 1);
            }
            News::Conflicted => {
                self.tally.conflicts += 1;
                self.end(now, 0);
            }
            News::Committed { begun, finish_sent, tid } => {
                self.tally.commits.add(now - begun);
                match &mut self.fan {
                    None => self.end(now, 1),
                    Some(fan) => {
                        fan.finished = Some((finish_sent, tid));
                        self.spread(now);
                    }
                }
            }
            News::Invalidated(tid) => {
                if let Some(fan) = &mut self.fan {
                    match fan.heard.iter_mut().find(|(heard, _)| *heard == tid) {
                        Some((_, count)) => *count += 1,
                        None => fan.heard.push((tid, 1)),
                    }
                    self.spread(now);
                }
            }
        }
    }

    fn spread(&mut self, now: Instant) {
        let Some(fan) = &mut self.fan else { return };
        let Some((sent, tid)) = fan.finished else { return };
        let heard = fan.heard.iter().find(|(heard, _)| *heard == tid).map_or(0, |(_, count)| *count);
        if heard == fan.listeners {
            // Earlier ones were somebody else's.
            fan.heard.retain(|(heard, _)| *heard > tid);
            fan.finished = None;
            self.tally.spread.add(now - sent);
            self.end(now, 1);
        }
    }

    fn end(&mut self, now: Instant, operations: u64) {
        self.operations += operations;
        self.last = Some(now);
        self.ended += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![3.0]), 3.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![1.0, 2.0, 4.0, 9.0]), 3.0);
    }

    #[test]
    fn a_commit_has_fanned_out_when_all_listeners_and_the_committer_know() {
        let start = Instant::now();
        let after = |millis| start + Duration::from_millis(millis);
        let committed = News::Committed { begun: start, finish_sent: after(1), tid: Tid(7) };
        let mut tally = Tally::default();
        let mut board = Board::new(&mut tally, Some(2));
        // A listener may be faster than the committer, and others commit too.
        board.note(News::Invalidated(Tid(7)), after(2));
        board.note(News::Invalidated(Tid(6)), after(2));
        board.note(committed, after(3));
        assert_eq!((board.operations, board.ended), (0, 0));
        board.note(News::Invalidated(Tid(8)), after(4));
        board.note(News::Invalidated(Tid(7)), after(5));
        assert_eq!((board.operations, board.ended, board.last), (1, 1, Some(after(5))));
        // The next one is counted from what was heard early.
        board.note(News::Invalidated(Tid(8)), after(6));
        board.note(News::Committed { begun: start, finish_sent: after(6), tid: Tid(8) }, after(7));
        assert_eq!(board.operations, 2);
        assert_eq!(tally.spread.max(), Duration::from_millis(4));
        assert_eq!(tally.commits.count(), 2);
    }

    #[test]
    fn a_conflict_ends_an_operation_without_counting_it() {
        let now = Instant::now();
        let mut tally = Tally::default();
        let mut board = Board::new(&mut tally, None);
        board.note(News::Conflicted, now);
        board.note(News::Loaded { begun: now }, now);
        assert_eq!((board.operations, board.ended), (1, 2));
        assert_eq!(tally.conflicts, 1);
    }
}
