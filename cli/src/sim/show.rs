//! `zeolith sim show`: a schedule, drawn.

use std::io::Write;

use zeolith_sim::picture;
use zeolith_sim::run::replay_recorded;

use super::options::ShowArgs;
use super::{End, SimError, schedule, write};

pub(super) fn show(arguments: &ShowArgs, out: &mut impl Write) -> Result<End, SimError> {
    let schedule = schedule(&arguments.file)?;
    let (outcome, record) = replay_recorded(schedule.setup, &schedule.events);
    let title = match outcome.broken() {
        Some(violation) => violation.to_string(),
        None => "no promise is broken".to_owned(),
    };
    if let Some(path) = &arguments.svg {
        write(path, &picture::svg(&record, &title))?;
        writeln!(out, "{}", path.display())?;
    }
    if let Some(path) = &arguments.html {
        write(path, &picture::html(&record, &title, &schedule))?;
        writeln!(out, "{}", path.display())?;
    }
    Ok(End::Good)
}
