use super::*;

fn mark(name: &'static str) -> Mark {
    Mark { name, file: "core/src/commit/locks.rs" }
}

/// What so many runs reached that all reached the same.
fn campaign(runs: u64, marks: &[&'static str], stages: &[usize]) -> Coverage {
    let marks = marks.iter().map(|&name| (mark(name), 1)).collect();
    let states = [State::new(2, 1, stages.iter().copied())].into();
    let reached = Reached { marks, states };
    let mut coverage = Coverage::default();
    (0..runs).for_each(|_| coverage.add(&reached));
    coverage
}

#[test]
fn a_list_is_read_as_it_was_written() {
    let list = campaign(RUNS, &["a vote waits", "it is (oddly) named"], &[3, 3]).list(8_000);
    assert_eq!(list.to_string().parse(), Ok(list.clone()));
    assert!(list.to_string().contains("seeds 8000\nmark 20 a vote waits (core/src/commit/locks.rs)\n"));
    assert!(list.to_string().ends_with("state 20 server up, disk asked, two clients idle\n"), "{list}");
}

#[test]
fn a_lost_mark_and_a_lost_state_are_named() {
    let list = campaign(RUNS, &["a", "b"], &[3]).list(1);
    assert_eq!(campaign(2, &["a", "b", "c"], &[3]).lost(1, &list), Vec::<String>::new());
    let lost = campaign(2, &["a"], &[4]).lost(1, &list);
    assert_eq!(
        lost,
        [
            "mark 'b' in core/src/commit/locks.rs, reached by 0 runs where 20 were to",
            "state 'server up, disk asked, a client idle', reached by 0 runs where 20 were to"
        ]
    );
}

#[test]
fn what_falls_below_a_tenth_of_its_runs_is_lost_in_a_campaign_of_any_size() {
    let list = campaign(5_000, &["a"], &[3]).list(8_000);
    let lost = |runs, seeds| campaign(runs, &["a"], &[3]).lost(seeds, &list).len();
    assert_eq!((lost(500, 8_000), lost(1_000, 16_000)), (0, 0));
    assert_eq!((lost(1, 8_000), lost(499, 8_000), lost(999, 16_000)), (2, 2, 2));
}

#[test]
fn what_few_runs_reach_is_in_no_list() {
    let list = campaign(RUNS - 1, &["a"], &[3]).list(1);
    assert_eq!(Coverage::default().lost(1, &list), Vec::<String>::new());
}

#[test]
fn more_clients_than_can_be_told_apart_are_one_state() {
    let state = |clients: usize| State::new(0, 0, std::iter::repeat_n(0, clients));
    assert_ne!(state(2), state(3));
    assert_eq!(state(3), state(60));
}

#[test]
fn what_is_no_list_is_named_by_its_line() {
    for text in [
        "seeds 1\nmark 20 nowhere\n",
        "seeds 1\nmark x (y)\n",
        "seeds 1\nplace x (y)\n",
        "\nseeds many\n",
        "\nstate x y",
    ] {
        assert_eq!(text.parse::<List>(), Err(ListError(2)));
    }
}
