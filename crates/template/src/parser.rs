//! Tokens to statements, with Go's rules and Go's words where they are broken.

use crate::ast::{Branch, Command, Pipeline, Span, Statement, Term, TermKind, Tree, is_blank};
use crate::diagnosis::{Diagnosis, Hint, Link, nearest};
use crate::error::ParseError;
use crate::func::FunctionTable;
use crate::lexer::{Kind, Lexer, Token};
use crate::number::Number;
use pintle_golib::strconv;
use std::borrow::Cow;

/// How deep statements and parentheses may nest. Go allows more, at the price of its stack; no chart comes near.
const MAX_DEPTH: u32 = 200;

/// Parses a file: its own body and those it defines.
pub(crate) fn parse<'s>(name: &'s str, source: &'s [u8], functions: &'s FunctionTable) -> Parsed<Vec<Tree<'s>>> {
    let mut parser = Parser {
        name,
        source,
        functions,
        lexer: Lexer::new(source),
        pushed_back: Vec::new(),
        action_line: None,
        variables: vec![b"$"],
        ranges: 0,
        depth: 0,
        trees: Vec::new(),
        open: Vec::new(),
    };
    if u32::try_from(source.len()).is_err() {
        return Err(parser.error("template is larger than 4 GiB"));
    }
    let body = parser.file()?;
    parser.add(name.as_bytes().into(), body)?;
    Ok(parser.trees)
}

struct Parser<'s> {
    name: &'s str,
    source: &'s [u8],
    functions: &'s FunctionTable,
    lexer: Lexer<'s>,
    /// Tokens to be read again, the next one last.
    pushed_back: Vec<Token>,
    /// The line on which the open action began.
    action_line: Option<u32>,
    variables: Vec<&'s [u8]>,
    ranges: u32,
    depth: u32,
    trees: Vec<Tree<'s>>,
    /// The blocks that have no end yet: their words and where those stand.
    open: Vec<(&'static str, Token)>,
}

/// How a list of statements ended.
enum Ending {
    End,
    Else,
}

impl Ending {
    fn text(&self) -> &'static str {
        match self {
            Self::End => "{{end}}",
            Self::Else => "{{else}}",
        }
    }
}

enum Item<'s> {
    Statement(Statement<'s>),
    Ending(Ending),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Control {
    If,
    With,
    Range,
}

impl Control {
    fn word(self) -> &'static str {
        match self {
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
        }
    }
}

type Parsed<T> = Result<T, Box<ParseError>>;

impl<'s> Parser<'s> {
    fn error(&self, message: impl Into<String>) -> Box<ParseError> {
        self.error_at(self.lexer.last(), message, None)
    }

    /// An error about a token. Its line is that of the token read last, as in Go.
    #[cold]
    fn error_at(&self, token: Token, message: impl Into<String>, hint: Option<Hint>) -> Box<ParseError> {
        let link = Link::of(self.name, self.source, token.start as usize, token.end as usize);
        let mut diagnosis = Diagnosis::default();
        diagnosis.links.push(link);
        diagnosis.hints.extend(hint);
        ParseError::new(self.name, self.lexer.last_line(), message.into(), diagnosis)
    }

    /// The end of the file where a block is still open.
    fn unclosed(&self) -> Box<ParseError> {
        let (token, hint) = match self.open.last() {
            Some(&(word, token)) => (token, Some(Hint::Unclosed { word, line: token.line })),
            None => (self.lexer.last(), None),
        };
        self.error_at(token, "unexpected EOF", hint)
    }

    fn text(&self, token: Token) -> &'s [u8] {
        &self.source[token.start as usize..token.end as usize]
    }

    fn next(&mut self) -> Token {
        self.pushed_back.pop().unwrap_or_else(|| self.lexer.next())
    }

    fn back(&mut self, token: Token) {
        self.pushed_back.push(token);
    }

    fn peek(&mut self) -> Token {
        let token = self.next();
        self.back(token);
        token
    }

    fn next_solid(&mut self) -> Token {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    fn peek_solid(&mut self) -> Token {
        let token = self.next_solid();
        self.back(token);
        token
    }

    fn expect(&mut self, kind: Kind, context: &str) -> Parsed<Token> {
        let token = self.next_solid();
        if token.kind == kind { Ok(token) } else { Err(self.unexpected(token, context)) }
    }

    fn unexpected(&self, token: Token, context: &str) -> Box<ParseError> {
        if token.kind == Kind::Error {
            let message = self.lexer.message();
            return self.error_at(
                token,
                match self.action_line.filter(|&line| line != token.line) {
                    None => message.to_owned(),
                    Some(line) if message.ends_with(" action") => format!("{message} started at {}:{line}", self.name),
                    Some(line) => format!("{message} in action started at {}:{line}", self.name),
                },
                None,
            );
        }
        let text = self.text(token);
        let shown = match token.kind {
            Kind::Eof => "EOF".to_owned(),
            kind if kind.is_keyword() => format!("<{}>", String::from_utf8_lossy(text)),
            _ => {
                let cut = pintle_golib::unicode::runes(text).nth(10).map(|(at, ..)| at);
                match cut {
                    Some(at) if text.len() > 10 => format!("{}...", strconv::quote(&text[..at])),
                    _ if text.len() > 10 => format!("{}...", strconv::quote(text)),
                    _ => strconv::quote(text),
                }
            }
        };
        self.error_at(token, format!("unexpected {shown} in {context}"), None)
    }

    /// Runs one level deeper, if that is still allowed.
    fn nested<T>(&mut self, step: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= MAX_DEPTH {
            return Err(self.error("max expression depth exceeded"));
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// Adds a body to those of the file.
    fn add(&mut self, name: Box<[u8]>, body: Vec<Statement<'s>>) -> Parsed<()> {
        let source = self.source;
        match self.trees.iter_mut().find(|tree| tree.name == name) {
            None => self.trees.push(Tree { name, body }),
            Some(tree) if is_blank(&tree.body, source) => tree.body = body,
            Some(_) if is_blank(&body, source) => {}
            Some(_) => {
                let name = strconv::quote(&name);
                return Err(self.error(format!("template: multiple definition of template {name}")));
            }
        }
        Ok(())
    }

    fn file(&mut self) -> Parsed<Vec<Statement<'s>>> {
        let mut body = Vec::new();
        loop {
            let token = self.peek();
            match token.kind {
                Kind::Eof => return Ok(body),
                Kind::LeftDelim => {
                    self.next();
                    let word = self.next_solid();
                    if word.kind == Kind::Define {
                        self.define(word)?;
                        continue;
                    }
                    self.back(word);
                    self.back(token);
                }
                _ => {}
            }
            match self.item()? {
                Item::Statement(statement) => body.push(statement),
                Item::Ending(ending) => return Err(self.error(format!("unexpected {}", ending.text()))),
            }
        }
    }

    /// A body with variables of its own, up to its `{{end}}`.
    fn definition(&mut self, name: Box<[u8]>, context: &str, opened: (&'static str, Token)) -> Parsed<()> {
        let variables = std::mem::replace(&mut self.variables, vec![b"$"]);
        let ranges = std::mem::take(&mut self.ranges);
        let action_line = self.action_line.take();
        self.open.push(opened);
        let (body, ending) = self.nested(Self::list)?;
        self.open.pop();
        if let Ending::Else = ending {
            return Err(self.error(format!("unexpected {} in {context}", ending.text())));
        }
        self.add(name, body)?;
        self.variables = variables;
        self.ranges = ranges;
        self.action_line = action_line;
        Ok(())
    }

    fn define(&mut self, word: Token) -> Parsed<()> {
        const CONTEXT: &str = "define clause";
        let token = self.next_solid();
        let name = self.template_name(token, CONTEXT)?;
        self.expect(Kind::RightDelim, CONTEXT)?;
        self.definition(name, CONTEXT, ("define", word))
    }

    fn template_name(&mut self, token: Token, context: &str) -> Parsed<Box<[u8]>> {
        match token.kind {
            Kind::String | Kind::RawString => self.unquote(token),
            _ => Err(self.unexpected(token, context)),
        }
    }

    fn unquote(&self, token: Token) -> Parsed<Box<[u8]>> {
        let text = strconv::unquote(self.text(token)).ok_or_else(|| self.error("invalid syntax"))?;
        Ok(text.into_owned().into_boxed_slice())
    }

    fn list(&mut self) -> Parsed<(Vec<Statement<'s>>, Ending)> {
        let mut body = Vec::new();
        while self.peek_solid().kind != Kind::Eof {
            match self.item()? {
                Item::Statement(statement) => body.push(statement),
                Item::Ending(ending) => return Ok((body, ending)),
            }
        }
        Err(self.unclosed())
    }

    fn item(&mut self) -> Parsed<Item<'s>> {
        let token = self.next_solid();
        match token.kind {
            Kind::Text => Ok(Item::Statement(Statement::Text(Span { start: token.start, end: token.end }))),
            Kind::LeftDelim => {
                self.action_line = Some(token.line);
                let item = self.action()?;
                self.action_line = None;
                Ok(item)
            }
            _ => Err(self.unexpected(token, "input")),
        }
    }

    fn action(&mut self) -> Parsed<Item<'s>> {
        let token = self.next_solid();
        Ok(Item::Statement(match token.kind {
            Kind::Block => self.block(token)?,
            Kind::Break => self.leave("break", Statement::Break)?,
            Kind::Continue => self.leave("continue", Statement::Continue)?,
            Kind::Else => {
                let next = self.peek_solid();
                if !matches!(next.kind, Kind::If | Kind::With) {
                    self.expect(Kind::RightDelim, "else")?;
                }
                return Ok(Item::Ending(Ending::Else));
            }
            Kind::End => {
                self.expect(Kind::RightDelim, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Kind::If => self.nested(|p| p.control(Control::If, token))?,
            Kind::With => self.nested(|p| p.control(Control::With, token))?,
            Kind::Range => self.nested(|p| p.control(Control::Range, token))?,
            Kind::Template => {
                let token = self.next_solid();
                let name = self.template_name(token, "template clause")?;
                let next = self.next_solid();
                let data = if next.kind == Kind::RightDelim {
                    None
                } else {
                    self.back(next);
                    Some(self.pipeline("template clause", Kind::RightDelim)?)
                };
                Statement::Template { name, name_span: Span { start: token.start, end: token.end }, data }
            }
            _ => {
                self.back(token);
                Statement::Action(self.pipeline("command", Kind::RightDelim)?)
            }
        }))
    }

    fn leave(&mut self, word: &str, statement: Statement<'s>) -> Parsed<Statement<'s>> {
        let token = self.next_solid();
        if token.kind != Kind::RightDelim {
            return Err(self.unexpected(token, &format!("{{{{{word}}}}}")));
        }
        if self.ranges == 0 {
            return Err(self.error(format!("{{{{{word}}}}} outside {{{{range}}}}")));
        }
        Ok(statement)
    }

    fn block(&mut self, word: Token) -> Parsed<Statement<'s>> {
        const CONTEXT: &str = "block clause";
        let token = self.next_solid();
        let name = self.template_name(token, CONTEXT)?;
        let data = self.pipeline(CONTEXT, Kind::RightDelim)?;
        self.definition(name.clone(), CONTEXT, ("block", word))?;
        Ok(Statement::Template { name, name_span: Span { start: token.start, end: token.end }, data: Some(data) })
    }

    fn control(&mut self, control: Control, word: Token) -> Parsed<Statement<'s>> {
        let visible = self.variables.len();
        let mut branches = Vec::new();
        self.open.push((control.word(), word));
        let otherwise = loop {
            let pipeline = self.pipeline(control.word(), Kind::RightDelim)?;
            let in_range = u32::from(control == Control::Range);
            self.ranges += in_range;
            let (body, ending) = self.list()?;
            self.ranges -= in_range;
            branches.push(Branch { pipeline, body });
            if let Ending::End = ending {
                break Vec::new();
            }
            let next = self.peek();
            let goes_on = matches!((control, next.kind), (Control::If, Kind::If) | (Control::With, Kind::With));
            if goes_on {
                self.next();
                continue;
            }
            let (body, ending) = self.list()?;
            if let Ending::Else = ending {
                return Err(self.error(format!("expected end; found {}", ending.text())));
            }
            break body;
        };
        self.open.pop();
        self.variables.truncate(visible);
        Ok(match control {
            Control::If => Statement::If(branches, otherwise),
            Control::With => Statement::With(branches, otherwise),
            Control::Range => match branches.pop() {
                Some(branch) => Statement::Range(branch, otherwise),
                None => return Err(self.error("range without a pipeline")),
            },
        })
    }

    fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipeline<'s>> {
        let start = self.peek_solid().start;
        let mut pipeline =
            Pipeline { span: Span { start, end: start }, targets: Vec::new(), assigns: false, commands: Vec::new() };
        self.targets(context, &mut pipeline)?;
        loop {
            let token = self.next_solid();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back(token);
                    let command = self.command()?;
                    pipeline.span.end = command.span.end;
                    pipeline.commands.push(command);
                }
                _ => return Err(self.unexpected(token, context)),
            }
        }
        if pipeline.commands.is_empty() {
            return Err(self.error(format!("missing value for {context}")));
        }
        for (i, command) in pipeline.commands.iter().enumerate().skip(1) {
            if matches!(
                command.terms[0].kind,
                TermKind::Bool(_) | TermKind::Dot | TermKind::Nil | TermKind::Number(_) | TermKind::Text(_)
            ) {
                return Err(self.error(format!("non executable command in pipeline stage {}", i + 1)));
            }
        }
        Ok(pipeline)
    }

    /// The variables on the left of `:=` or `=`.
    fn targets(&mut self, context: &str, pipeline: &mut Pipeline<'s>) -> Parsed<()> {
        loop {
            let variable = self.peek_solid();
            if variable.kind != Kind::Variable {
                return Ok(());
            }
            self.next_solid();
            let adjacent = self.peek();
            let next = self.peek_solid();
            let name = self.text(variable);
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    self.next_solid();
                    pipeline.assigns = next.kind == Kind::Assign;
                    pipeline.targets.push(name);
                    self.variables.push(name);
                    return Ok(());
                }
                Kind::Char if self.text(next) == b"," => {
                    self.next_solid();
                    pipeline.targets.push(name);
                    self.variables.push(name);
                    if context != "range" || pipeline.targets.len() > 1 {
                        return Err(self.error(format!("too many declarations in {context}")));
                    }
                    if !matches!(self.peek_solid().kind, Kind::Variable | Kind::RightDelim | Kind::RightParen) {
                        return Err(self.error("range can only initialize variables"));
                    }
                }
                _ => {
                    // An argument and no target: its space counts again.
                    if adjacent.kind == Kind::Space {
                        self.back(adjacent);
                    }
                    self.back(variable);
                    return Ok(());
                }
            }
        }
    }

    fn command(&mut self) -> Parsed<Command<'s>> {
        let start = self.peek_solid().start;
        let mut terms = Vec::new();
        let mut end = start;
        loop {
            self.peek_solid();
            if let Some(term) = self.operand()? {
                end = term.span.end;
                terms.push(term);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return Err(self.unexpected(token, "operand")),
            }
        }
        if terms.is_empty() {
            return Err(self.error("empty command"));
        }
        Ok(Command { span: Span { start, end }, terms })
    }

    fn operand(&mut self) -> Parsed<Option<Term<'s>>> {
        let Some(mut term) = self.term()? else { return Ok(None) };
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(term));
        }
        let mut fields = Vec::new();
        let mut span = term.span;
        while self.peek().kind == Kind::Field {
            let token = self.next();
            fields.push(&self.text(token)[1..]);
            span.end = token.end;
        }
        match &mut term.kind {
            TermKind::Fields(names) | TermKind::Variable(_, names) => {
                names.append(&mut fields);
                term.at = first.start;
                term.span = span;
            }
            TermKind::Function(_) | TermKind::Pipeline(_) | TermKind::Chain(..) => {
                term = Term { at: first.start, span, kind: TermKind::Chain(Box::new(term), fields) };
            }
            _ => {
                let text = String::from_utf8_lossy(&self.source[term.span.start as usize..first.start as usize]);
                let text = strconv::quote(text.as_bytes());
                return Err(self.error(format!("unexpected . after term {text}")));
            }
        }
        Ok(Some(term))
    }

    fn term(&mut self) -> Parsed<Option<Term<'s>>> {
        let token = self.next_solid();
        let text = self.text(token);
        let mut span = Span { start: token.start, end: token.end };
        let kind = match token.kind {
            Kind::Identifier => {
                if !self.functions.knows(text) {
                    let near = nearest(&String::from_utf8_lossy(text), self.functions.names().map(Cow::Borrowed));
                    let message = format!("function {} not defined", strconv::quote(text));
                    return Err(self.error_at(token, message, Some(Hint::Function { nearest: near })));
                }
                TermKind::Function(text)
            }
            Kind::Dot => TermKind::Dot,
            Kind::Nil => TermKind::Nil,
            Kind::Variable => {
                if !self.variables.contains(&text) {
                    let known = self.variables.iter().rev().map(|name| String::from_utf8_lossy(name));
                    let near = nearest(&String::from_utf8_lossy(text), known.filter(|name| name.len() > 1));
                    let message = format!("undefined variable {}", strconv::quote(text));
                    return Err(self.error_at(token, message, Some(Hint::Variable { nearest: near })));
                }
                TermKind::Variable(text, Vec::new())
            }
            Kind::Field => TermKind::Fields(vec![&text[1..]]),
            Kind::Bool => TermKind::Bool(text == b"true"),
            Kind::CharConstant => TermKind::Number(Number::character(text).map_err(|m| self.error(m))?),
            Kind::Complex => TermKind::Number(Number::complex(text).map_err(|m| self.error(m))?),
            Kind::Number => TermKind::Number(Number::parse(text).map_err(|m| self.error(m))?),
            Kind::String | Kind::RawString => TermKind::Text(self.unquote(token)?),
            Kind::LeftParen => {
                let pipeline = self.nested(|p| p.pipeline("parenthesized pipeline", Kind::RightParen))?;
                // Up to and with the closing parenthesis, which is the token read last.
                let inner_end = pipeline.span.end as usize;
                let gap = self.source[inner_end..].iter().position(|&b| b == b')').unwrap_or(0);
                span.end = u32::try_from(inner_end + gap + 1).unwrap_or(span.end);
                return Ok(Some(Term { at: pipeline.span.start, span, kind: TermKind::Pipeline(pipeline) }));
            }
            _ => {
                self.back(token);
                return Ok(None);
            }
        };
        Ok(Some(Term { at: token.start, span, kind }))
    }
}
