//! The page around the picture.

use super::{escaped, svg};
use crate::event::{ServerNo, Way};
use crate::record::{Record, Sign, short};
use crate::schedule::Schedule;
use std::fmt::Write;

const STYLE: &str = "
:root{color-scheme:light dark}
body{margin:0;font:14px/1.45 ui-sans-serif,system-ui,sans-serif;background:#fff;color:#1f2328}
header{padding:20px 24px;border-bottom:1px solid #d0d7de}h1{font-size:18px;margin:0 0 6px}
pre{margin:8px 0 0;font:12px ui-monospace,monospace;color:#6e7781;white-space:pre-wrap}
main{display:flex;flex-wrap:wrap;gap:24px;padding:16px 24px;align-items:flex-start}
figure{margin:0;overflow-x:auto;max-width:100%}
ol{list-style:none;margin:0;padding:0;font:12px/1.5 ui-monospace,monospace;flex:1 1 420px;min-width:320px}
li{padding:2px 8px;border-radius:4px}li.sub{padding-left:28px;color:#6e7781}li.idle{opacity:.45}
li b{font-weight:600}li span{display:block;padding-left:3ch;color:#6e7781}li span.bad{color:#cf222e;font-weight:600}
li:hover,li.on{background:#eaeef2}
@media (prefers-color-scheme:dark){body{background:#0d1117;color:#e6edf3}header{border-color:#30363d}
pre,li.sub,li span{color:#8b949e}li span.bad{color:#ff7b72}li:hover,li.on{background:#1c2128}}
";

/// Whatever belongs to the same event lights up together.
const SCRIPT: &str = "
const mark=(event,on)=>{const at=event.target.closest('[data-step]');if(at)
for(const it of document.querySelectorAll(`[data-step=\"${at.dataset.step}\"]`))it.classList.toggle('on',on)};
document.addEventListener('mouseover',event=>mark(event,true));
document.addEventListener('mouseout',event=>mark(event,false));
document.querySelector('figure').addEventListener('click',event=>{const at=event.target.closest('[data-step]');
if(at)document.querySelector(`li[data-step=\"${at.dataset.step}\"]`).scrollIntoView({block:'center'})});
";

/// The page of a schedule.
pub(super) fn page(record: &Record, title: &str, schedule: &Schedule) -> String {
    let mut about = String::new();
    if !schedule.cause.is_empty() {
        about = format!("cause: {}\n", schedule.cause);
    }
    about += &schedule.setup.to_string();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width\">\n<title>{title}</title><style>{STYLE}</style></head>\n<body><header>\
         <h1>{title}</h1><pre>{}</pre></header>\n<main><figure>\n{}</figure>\n<ol>\n{}</ol></main>\n\
         <script>{SCRIPT}</script></body></html>\n",
        escaped_lines(about.trim_end()),
        svg::draw(record, title),
        list(record),
        title = escaped(title),
    )
}

/// Text whose line breaks stay.
fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// Every event with what followed from it.
fn list(record: &Record) -> String {
    let mut follows: Vec<Vec<(&str, String)>> = vec![Vec::new(); record.steps.len()];
    for message in &record.messages {
        let (client, server, label) = (message.wire.client.0, message.wire.server, &message.label);
        let way = match message.way {
            Way::Up => format!("client {client} → {}", named(server)),
            Way::Down => format!("{} → client {client}", named(server)),
        };
        follows[message.sent].push(("", format!("{way} sends {label}")));
        if let Some(arrived) = message.arrived {
            let sent = record.steps[message.sent].number;
            follows[arrived].push(("", format!("{way} has {label}, sent in event {sent}")));
        }
    }
    let mut text = String::new();
    for (at, (step, follows)) in record.steps.iter().zip(&mut follows).enumerate() {
        follows.extend(step.signs.iter().map(said));
        let class = if !step.moved {
            "idle"
        } else if step.own {
            "own"
        } else {
            "sub"
        };
        let number = if step.own { format!("<b>{}</b> ", step.number) } else { String::new() };
        write!(text, "<li class=\"{class}\" data-step=\"{at}\">{number}{}", step.event)
            .expect("a string takes all");
        for (class, what) in follows {
            write!(text, "<span class=\"{class}\">{}</span>", escaped(what)).expect("a string takes all");
        }
        text.push_str("</li>\n");
    }
    text
}

/// A server in words; the first is the one that matters.
fn named(server: ServerNo) -> String {
    if server == ServerNo(0) { "server".to_owned() } else { format!("server {}", server.0) }
}

/// A sign in words.
fn said(sign: &Sign) -> (&'static str, String) {
    match sign {
        Sign::Connected(wire) => {
            ("", format!("client {} is connected to {}", wire.client.0, named(wire.server)))
        }
        Sign::Gone(wire) => {
            ("", format!("client {} has no connection to {} any more", wire.client.0, named(wire.server)))
        }
        Sign::Up(server) => ("", format!("{} is up", named(*server))),
        Sign::Crashed(server, _) => ("", format!("{} is down", named(*server))),
        Sign::Stopped(server) => ("", format!("{} has ended", named(*server))),
        Sign::Disk(server, what) => ("", format!("disk of {}: {what}", named(*server))),
        Sign::Logged(server, tid) => {
            ("", format!("{} is in the log of {} ({tid})", short(*tid), named(*server)))
        }
        Sign::Broken(what) => ("bad", what.clone()),
    }
}
