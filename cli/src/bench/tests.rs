use super::*;
use clap::Parser;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: BenchArgs,
}

fn turns_of(line: &str) -> Vec<Until> {
    turns(&Line::parse_from(["bench"].into_iter().chain(line.split_whitespace())).bench)
}

#[test]
fn a_time_is_cut_into_slices_of_about_half_a_second() {
    for (line, number) in [("1 --seconds 5", 10), ("1 --seconds 0.1", 1), ("1 --seconds 1.3", 3)] {
        let turns = turns_of(line);
        assert_eq!(turns.len(), number, "{line}");
        assert!(turns.iter().all(|turn| matches!(turn, Until::Elapsed(slice) if *slice <= SLICE)));
    }
}

#[test]
fn counted_operations_are_all_in_one_of_the_turns() {
    for operations in [1, 9, 10, 237] {
        let turns = turns_of(&format!("1 --operations {operations}"));
        let count = |turn: &Until| match turn {
            Until::Operations(count) => *count,
            Until::Elapsed(_) => panic!("operations are counted"),
        };
        assert_eq!(turns.iter().map(count).sum::<usize>(), operations);
        assert!(turns.len() <= TURNS && turns.iter().all(|turn| count(turn) > 0));
    }
}
