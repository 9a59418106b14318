//! A compiled file: flat code for the machine, and side tables that only errors look at.

use crate::ast::Span;
use crate::diagnosis::{Link, cut};
use crate::error::Place;
use crate::func::{Callee, Type};
use crate::lexer::print_node;
use crate::number::Number;
use std::sync::Arc;

/// One step of the machine. Numbers are indexes into the program's tables, targets are places in the code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op {
    /// Writes a range of the source.
    Text(Span),
    /// Pushes the dot.
    Dot,
    /// Pushes an invalid value.
    Nil,
    /// Pushes a constant.
    Const(u32),
    /// Pushes a variable.
    Variable(u32),
    /// Pushes what the dot's fields lead to.
    DotPath(Names),
    /// Pushes what a variable's fields lead to.
    VariablePath {
        slot: u32,
        names: Names,
    },
    /// Replaces the top by what its fields lead to.
    TopPath(Names),
    /// The top has passed through a pipeline: a nil interface is an invalid value from here on.
    Settle,
    /// Errors that follow are at this place.
    At,
    /// Takes the receiver off and begins a call of its method; from an invalid receiver goes on at `skip` with nothing.
    Method {
        name: u32,
        count: u16,
        piped: bool,
        skip: u32,
    },
    /// Checks the top against a parameter of the method.
    MethodArgument(u32),
    /// Pushes a literal as an argument of the method.
    MethodLiteral {
        literal: u32,
        index: u32,
    },
    /// Pushes nil as an argument of the method.
    MethodNil(u32),
    /// Calls the method.
    MethodCall {
        count: u16,
        piped: bool,
    },
    /// Checks the value that is `below` the top against a type.
    Check {
        wanted: u16,
        below: u16,
    },
    /// Calls a function with `count` values from the top; of which the first, if `piped`, is the last argument.
    Call {
        function: u32,
        count: u16,
        piped: bool,
    },
    /// Ends `or` if the top is true, else drops it.
    OrElse(u32),
    /// Ends `and` if the top is false, else drops it.
    AndThen(u32),
    /// Drops what is below the top.
    DropBelow,
    /// Stores the top in a variable, and takes it off unless it is kept.
    Store {
        slot: u32,
        keep: bool,
    },
    /// Writes the top. `direct`: it is no result of a function.
    Print {
        direct: bool,
    },
    /// Takes the top off and jumps if it is false.
    JumpUnless(u32),
    Jump(u32),
    /// Makes the top the dot, or jumps if it is false.
    With(u32),
    /// Gives the dot back that was before `With`.
    EndWith,
    /// Begins a loop over the top, or jumps if there is nothing to go through.
    Range {
        pairs: bool,
        otherwise: u32,
    },
    /// The next round of the loop: the element into the dot and the variables (`NO_SLOT` for none), or the end.
    Next {
        element: u32,
        index: u32,
        exit: u32,
    },
    /// Leaves the loop.
    Break(u32),
    /// Looks a template up before its data is computed.
    Find(u32),
    /// Executes a template with the top as its data.
    Template(u32),
    Return,
    /// Fails with a message.
    Fail(u32),
}

const _: () = assert!(size_of::<Op>() <= 16);

/// No variable.
pub(crate) const NO_SLOT: u32 = u32::MAX;

/// Some of the program's names, in a row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Names {
    pub(crate) first: u32,
    pub(crate) count: u32,
}

/// A constant in a form that threads can share.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Constant {
    Bool(bool),
    Int(i64),
    Int64(i64),
    Duration(i64),
    Float(f64),
    Complex(f64, f64),
    Text(Box<[u8]>),
}

/// A literal whose type depends on the method that takes it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Bool(bool),
    Number(Number),
    Text(Box<[u8]>),
}

/// What an error says of where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    pub(crate) at: u32,
    pub(crate) node: Span,
    /// A `template` action, whose span begins with the quoted name.
    pub(crate) is_template: bool,
}

/// The place is that of the step before.
pub(crate) const INHERIT: u32 = u32::MAX;

/// A body of the file.
pub(crate) struct Body {
    pub(crate) name: Box<[u8]>,
    pub(crate) code: Box<[Op]>,
    /// For each step the index of its site.
    pub(crate) sites: Box<[u32]>,
    pub(crate) slots: u32,
    pub(crate) is_blank: bool,
}

/// A file, parsed and compiled: its own body and those that it defines. Immutable; threads may share it.
pub struct Template {
    pub(crate) name: String,
    pub(crate) source: Arc<[u8]>,
    pub(crate) bodies: Vec<Body>,
    /// The body of the file itself.
    pub(crate) main: u32,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) templates: Vec<Box<[u8]>>,
    pub(crate) constants: Vec<Constant>,
    pub(crate) literals: Vec<Literal>,
    pub(crate) functions: Vec<Callee>,
    pub(crate) types: Vec<Type>,
    pub(crate) messages: Vec<String>,
    pub(crate) site_table: Vec<Site>,
}

impl Template {
    /// The name it was parsed under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The source it was parsed from.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The names of the bodies it defines, its own among them.
    pub fn defines(&self) -> impl Iterator<Item = &[u8]> {
        self.bodies.iter().map(|body| &*body.name)
    }

    /// The place of a site, in the words of an error.
    pub(crate) fn place(&self, body: &Body, site: u32) -> Option<Place> {
        let site = self.site_table.get(site as usize)?;
        let before = &self.source[..site.at as usize];
        let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        #[allow(clippy::cast_possible_truncation, clippy::naive_bytecount)]
        Some(Place {
            file: self.name.clone(),
            line: 1 + before.iter().filter(|&&b| b == b'\n').count() as u32,
            column: (before.len() - line_start) as u32,
            template: String::from_utf8_lossy(&body.name).into_owned(),
            expression: self.print_site(site),
        })
    }

    /// The same for people.
    pub(crate) fn link(&self, body: &Body, site: u32) -> Option<Link> {
        let site = self.site_table.get(site as usize)?;
        let mut link = Link::of(&self.name, &self.source, site.node.start as usize, site.node.end as usize);
        if *body.name != *self.name.as_bytes() {
            link.template = Some(cut(&String::from_utf8_lossy(&body.name)));
        }
        link.expression = cut(&self.print_site(site));
        Some(link)
    }

    pub(crate) fn print_site(&self, site: &Site) -> String {
        print_site(&self.source, site)
    }
}

pub(crate) fn print_site(source: &[u8], site: &Site) -> String {
    let node = site.node.of(source);
    let text = if site.is_template {
        // The name is quoted anew, the data follow as they are.
        let name_end = quoted_end(node);
        let name = pintle_golib::strconv::unquote(&node[..name_end]).unwrap_or_default();
        let mut text = b"{{template ".to_vec();
        pintle_golib::strconv::append_quote(&mut text, &name);
        let data = print_node(&node[name_end..]);
        if !data.is_empty() {
            text.push(b' ');
            text.extend_from_slice(&data);
        }
        text.extend_from_slice(b"}}");
        text
    } else {
        print_node(node)
    };
    String::from_utf8_lossy(&text).into_owned()
}

/// Where the quoted text ends that a node begins with.
fn quoted_end(node: &[u8]) -> usize {
    let Some(&quote) = node.first() else { return 0 };
    let mut at = 1;
    while at < node.len() {
        match node[at] {
            b'\\' if quote == b'"' => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    node.len()
}
