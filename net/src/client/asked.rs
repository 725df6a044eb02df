//! Waiting for answers. Who stops waiting tells the machine.

use super::shared::{Shared, Step, Waiter};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};
use zeolith_core::client::{Answer, Call, Error, Input, Ticket};

/// A machine answers every question unless it stopped at a broken invariant, which is told where it happened.
pub(super) const BROKEN: &str = "a client that stopped at a broken invariant answers nothing";

/// Takes the one kind of answer that fits a question.
macro_rules! answer {
    ($result:expr, $pattern:pat => $value:expr) => {
        match $result? {
            $pattern => Ok::<_, zeolith_core::client::Error>($value),
            other => unreachable!("an answer to another question: {other:?}"),
        }
    };
}
pub(super) use answer;

/// The answer to one question. Dropping it before it comes is telling the machine that nobody waits any more.
#[derive(Debug)]
pub(super) struct Asked {
    shared: Arc<Shared>,
    ticket: Ticket,
    answer: oneshot::Receiver<Result<Answer, Error>>,
    answered: bool,
}

impl Asked {
    pub(super) fn ask(shared: &Arc<Shared>, call: Call) -> Asked {
        let (sender, answer) = oneshot::channel();
        let ticket = shared.turn(|state| state.ask(call, Waiter::Once(sender)));
        Asked { shared: shared.clone(), ticket, answer, answered: false }
    }
}

impl Future for Asked {
    type Output = Result<Answer, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(Pin::new(&mut self.answer).poll(context)).expect(BROKEN);
        self.answered = true;
        Poll::Ready(result)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.last_turn(|state| state.forget(self.ticket));
        }
    }
}

/// The steps to an answer. Dropping it before the last is telling the machine that nobody waits any more.
#[derive(Debug)]
pub(super) struct Steps {
    shared: Arc<Shared>,
    ticket: Ticket,
    steps: mpsc::UnboundedReceiver<Step>,
    answered: bool,
}

impl Steps {
    pub(super) fn ask(shared: &Arc<Shared>, call: Call) -> Steps {
        let (sender, steps) = mpsc::unbounded_channel();
        let ticket = shared.turn(|state| state.ask(call, Waiter::Steps(sender)));
        Steps { shared: shared.clone(), ticket, steps, answered: false }
    }

    pub(super) fn ticket(&self) -> Ticket {
        self.ticket
    }

    /// The next step; the last is [`Step::Answer`].
    pub(super) async fn next(&mut self) -> Step {
        let step = self.steps.recv().await.expect(BROKEN);
        self.answered |= matches!(step, Step::Answer(_));
        step
    }

    /// Tells the machine what was asked in a step.
    pub(super) fn tell(&self, input: Input<'_>) {
        self.shared.turn(|state| state.feed(input));
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        if !self.answered {
            self.shared.last_turn(|state| state.forget(self.ticket));
        }
    }
}
