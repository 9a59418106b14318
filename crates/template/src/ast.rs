//! What the parser makes of a source: statements, pipelines, terms. Lives from parsing to compiling only.
//! Names and texts are ranges of the source or borrow it.

use crate::number::Number;

/// A range of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    pub(crate) fn of(self, source: &[u8]) -> &[u8] {
        &source[self.start as usize..self.end as usize]
    }
}

/// A named body: a file's own, or that of a `define` or `block`.
pub(crate) struct Tree<'s> {
    pub(crate) name: Box<[u8]>,
    pub(crate) body: Vec<Statement<'s>>,
}

pub(crate) enum Statement<'s> {
    Text(Span),
    Action(Pipeline<'s>),
    If(Vec<Branch<'s>>, Vec<Statement<'s>>),
    With(Vec<Branch<'s>>, Vec<Statement<'s>>),
    Range(Branch<'s>, Vec<Statement<'s>>),
    Template { name: Box<[u8]>, name_span: Span, data: Option<Pipeline<'s>> },
    Break,
    Continue,
}

/// A condition (or range, or new dot) and what is done under it.
pub(crate) struct Branch<'s> {
    pub(crate) pipeline: Pipeline<'s>,
    pub(crate) body: Vec<Statement<'s>>,
}

pub(crate) struct Pipeline<'s> {
    pub(crate) span: Span,
    /// Variables that are set, `$` included.
    pub(crate) targets: Vec<&'s [u8]>,
    /// `=` and not `:=`.
    pub(crate) assigns: bool,
    pub(crate) commands: Vec<Command<'s>>,
}

pub(crate) struct Command<'s> {
    pub(crate) span: Span,
    /// At least one.
    pub(crate) terms: Vec<Term<'s>>,
}

pub(crate) struct Term<'s> {
    /// Where errors say that the term is: for `.a.b` the last dot's field, for Go has it so.
    pub(crate) at: u32,
    pub(crate) span: Span,
    pub(crate) kind: TermKind<'s>,
}

pub(crate) enum TermKind<'s> {
    Bool(bool),
    Dot,
    Nil,
    Number(Number),
    Text(Box<[u8]>),
    Function(&'s [u8]),
    Fields(Vec<&'s [u8]>),
    Variable(&'s [u8], Vec<&'s [u8]>),
    Pipeline(Pipeline<'s>),
    /// The fields of a function's result or of a pipeline in parentheses.
    Chain(Box<Term<'s>>, Vec<&'s [u8]>),
}

/// Whether nothing but space is in a body: such a one never takes the place of another.
pub(crate) fn is_blank(body: &[Statement<'_>], source: &[u8]) -> bool {
    body.iter().all(|statement| match statement {
        Statement::Text(span) => {
            pintle_golib::unicode::runes(span.of(source)).all(|(_, rune, _)| pintle_golib::unicode::is_space(rune))
        }
        _ => false,
    })
}
