//! Values of a record as text that may be broken.

use super::layout::Doc;
use super::{Options, literal, shapes};
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::limits;
use zeolith_core::record::{Reference, class_of};
use zeolith_core::wire::tree::{Kind, Value};

/// Items of a container that are shown of a long one.
const SHOWN: usize = 100;

/// Shows values. What occurs more than once gets a number, `&1`, where it is shown, and is `*1` everywhere else; so it
/// is with what contains itself.
pub(super) struct Painter {
    options: Options,
    /// Places that occur more than once, with the number that each gets when it is shown.
    shared: BTreeMap<usize, Option<usize>>,
    named: usize,
    depth: usize,
}

impl Painter {
    /// A painter of these values and what is below them.
    pub(super) fn new(options: Options, roots: &[Value<'_>]) -> Painter {
        let mut seen = BTreeSet::new();
        let mut shared = BTreeMap::new();
        let mut left = roots.to_vec();
        while let Some(value) = left.pop() {
            if !is_worth_a_name(value) {
                continue;
            }
            if seen.insert(value.place()) {
                left.extend(below(value));
            } else {
                shared.insert(value.place(), None);
            }
        }
        Painter { options, shared, named: 0, depth: 0 }
    }

    /// A value, with its name if it has one.
    pub(super) fn value(&mut self, value: Value<'_>) -> Doc {
        let mut name = None;
        match self.shared.get(&value.place()) {
            Some(Some(number)) => return Doc::text(format!("*{number}")),
            Some(None) => {
                self.named += 1;
                self.shared.insert(value.place(), Some(self.named));
                name = Some(self.named);
            }
            None => {}
        }
        if self.depth == limits::DEPTH {
            return Doc::text("… (nested deeper)");
        }
        self.depth += 1;
        let doc = self.unnamed(value);
        self.depth -= 1;
        match name {
            Some(number) => Doc::Row(vec![Doc::text(format!("&{number} ")), doc]),
            None => doc,
        }
    }

    fn unnamed(&mut self, value: Value<'_>) -> Doc {
        let options = self.options;
        match value.kind() {
            Kind::None => Doc::text("None"),
            Kind::Bool(true) => Doc::text("True"),
            Kind::Bool(false) => Doc::text("False"),
            Kind::Int(number) => Doc::text(number.to_string()),
            Kind::BigInt(bytes) => Doc::text(literal::integer(bytes, options)),
            Kind::Float(number) => Doc::text(literal::float(number)),
            Kind::Bytes(bytes) => Doc::text(literal::bytes(bytes, options)),
            Kind::Str(text) => Doc::text(literal::text(text, options)),
            Kind::Surrogates(bytes) => Doc::text(literal::surrogates(bytes, options)),
            Kind::Tuple(items) if items.len() == 1 => {
                let items = self.items(items);
                Doc::group("(", items, ",)")
            }
            Kind::Tuple(items) => {
                let items = self.items(items);
                Doc::group("(", items, ")")
            }
            Kind::List(items) => {
                let items = self.items(items);
                Doc::group("[", items, "]")
            }
            Kind::Set(items) if items.len() == 0 => Doc::text("set()"),
            Kind::Set(items) => {
                let items = self.items(items);
                Doc::group("{", items, "}")
            }
            Kind::FrozenSet(items) => {
                let items = self.items(items);
                Doc::group("frozenset({", items, "})")
            }
            Kind::Dict(pairs) => self.pairs(pairs),
            Kind::Global { module, name } => Doc::text(global(module, name)),
            Kind::Reduce { callable, args } => self.call(callable, args),
            Kind::Build { object, state } => {
                let object = self.value(object);
                Doc::Row(vec![object, Doc::text(" with "), self.value(state)])
            }
            Kind::Persid(id) => self.reference(id),
            Kind::Extension(code) => Doc::text(format!("<copyreg extension {code}>")),
        }
    }

    /// Items, as many as are to be shown.
    pub(super) fn items<'a>(&mut self, items: impl ExactSizeIterator<Item = Value<'a>>) -> Vec<Doc> {
        self.each(items, |painter, item| painter.value(item))
    }

    /// Keys and values between braces, as many as are to be shown.
    pub(super) fn pairs<'a>(&mut self, pairs: impl ExactSizeIterator<Item = (Value<'a>, Value<'a>)>) -> Doc {
        let items = self.each(pairs, |painter, (key, value)| {
            let key = painter.value(key);
            Doc::pair(key, painter.value(value))
        });
        Doc::group("{", items, "}")
    }

    /// As many as are to be shown, and how many more there are.
    pub(super) fn each<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut show: impl FnMut(&mut Painter, T) -> Doc,
    ) -> Vec<Doc> {
        let shown = if self.options.full { items.len() } else { items.len().min(SHOWN) };
        let rest = items.len() - shown;
        let mut docs: Vec<Doc> = items.take(shown).map(|item| show(self, item)).collect();
        if rest > 0 {
            docs.push(Doc::text(format!("… (and {rest} more)")));
        }
        docs
    }

    fn call(&mut self, callable: Value<'_>, args: Value<'_>) -> Doc {
        if let Some(text) = shapes::called(callable, args) {
            return Doc::text(text);
        }
        // An object that is made without a call of its class's own is shown as if it were called.
        let made = matches!(
            callable.kind(),
            Kind::Global { module: "copyreg" | "copy_reg", name: "_reconstructor" | "__newobj__" }
        );
        let (callable, skipped, items) = match args.items() {
            Some(mut items) if made && items.len() > 0 => {
                let class = items.next().expect("there is one");
                let plain = items.len() == 2
                    && matches!(callable.kind(), Kind::Global { name: "_reconstructor", .. });
                (class, if plain { 2 } else { 0 }, Some(items))
            }
            items => (callable, 0, items),
        };
        let open = match callable.kind() {
            Kind::Global { module, name } => Doc::text(global(module, name)),
            _ => self.value(callable),
        };
        let args = match items {
            Some(items) if items.len() >= skipped => {
                let rest: Vec<_> = items.skip(skipped).collect();
                self.items(rest.into_iter())
            }
            _ => vec![Doc::text("*"), self.value(args)],
        };
        Doc::Row(vec![open, Doc::group("(", args, ")")])
    }

    fn reference(&mut self, id: Value<'_>) -> Doc {
        let Some((reference, class)) = Reference::of(id) else {
            return Doc::Row(vec![Doc::text("unknown reference "), self.value(id)]);
        };
        let class =
            class.and_then(class_of).map(|class| format!(" ({})", literal::plain(&class.to_string())));
        Doc::text(format!("object {}{}", literal::reference(&reference), class.unwrap_or_default()))
    }
}

/// A class or function by its dotted name; Python's own without their module.
fn global(module: &str, name: &str) -> String {
    match module {
        "builtins" | "__builtin__" => literal::plain(name),
        _ => format!("{}.{}", literal::plain(module), literal::plain(name)),
    }
}

/// Whether it may be shared: containers and objects, and whatever is too long to be shown again and again.
fn is_worth_a_name(value: Value<'_>) -> bool {
    match value.kind() {
        Kind::Tuple(items) => items.len() > 0,
        Kind::List(_) | Kind::Set(_) | Kind::FrozenSet(_) | Kind::Dict(_) => true,
        Kind::Reduce { .. } | Kind::Build { .. } => true,
        // A reference is as short as its name would be; one that is not understood is shown with what is in it.
        Kind::Persid(id) => Reference::of(id).is_none(),
        Kind::Str(text) => text.len() > literal::SHOWN,
        Kind::Bytes(bytes) | Kind::BigInt(bytes) | Kind::Surrogates(bytes) => bytes.len() > literal::SHOWN,
        _ => false,
    }
}

/// The values that a value is made of.
fn below(value: Value<'_>) -> Vec<Value<'_>> {
    match value.kind() {
        Kind::Tuple(items) | Kind::List(items) | Kind::Set(items) | Kind::FrozenSet(items) => items.collect(),
        Kind::Dict(pairs) => pairs.flat_map(|(key, value)| [key, value]).collect(),
        Kind::Reduce { callable, args } => vec![callable, args],
        Kind::Build { object, state } => vec![object, state],
        Kind::Persid(id) => vec![id],
        _ => Vec::new(),
    }
}
