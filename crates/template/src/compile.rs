//! Statements to code. What can be known before a run is settled here: variables become slots, functions are bound,
//! arguments are counted, and constants get the types of their parameters. What is wrong then is a step that fails
//! when it is reached, as in Go.

use crate::ast::{Branch, Command, Pipeline, Span, Statement, Term, TermKind, Tree, is_blank};
use crate::error::ParseError;
use crate::func::{Builtin, Callee, FunctionTable, Type};
use crate::lexer::print_node;
use crate::number::{Ideal, Number};
use crate::parser;
use crate::program::{Body, Constant, INHERIT, Literal, NO_SLOT, Names, Op, Site, Template, print_site};
use foldhash::HashMap;
use std::sync::Arc;

impl Template {
    /// Parses and compiles a file.
    ///
    /// # Errors
    /// Go's parse errors, with the line.
    pub fn parse(name: &str, source: impl Into<Arc<[u8]>>, functions: &FunctionTable) -> Result<Self, ParseError> {
        let source: Arc<[u8]> = source.into();
        let trees = parser::parse(name, &source, functions).map_err(|e| *e)?;
        let mut file = File {
            source: &source,
            functions,
            name_rows: HashMap::default(),
            text_constants: HashMap::default(),
            bound: HashMap::default(),
            names: Vec::new(),
            templates: Vec::new(),
            constants: Vec::new(),
            literals: Vec::new(),
            callees: Vec::new(),
            types: Vec::new(),
            messages: Vec::new(),
            sites: Vec::new(),
        };
        let bodies: Vec<Body> = trees.iter().map(|tree| BodyCompiler::compile(&mut file, tree)).collect();
        let main = bodies.iter().position(|body| *body.name == *name.as_bytes()).map_or(0, index);
        let File { names, templates, constants, literals, callees, types, messages, sites, .. } = file;
        Ok(Self {
            name: name.to_owned(),
            bodies,
            main,
            names,
            templates,
            constants,
            literals,
            functions: callees,
            types,
            messages,
            site_table: sites,
            source: Arc::clone(&source),
        })
    }
}

/// An index of a table. A source is smaller than 4 GiB, and so are the tables that come from it.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// What the bodies of a file share.
struct File<'s> {
    source: &'s [u8],
    functions: &'s FunctionTable,
    name_rows: HashMap<Vec<&'s [u8]>, u32>,
    text_constants: HashMap<Box<[u8]>, u32>,
    bound: HashMap<&'s [u8], u32>,
    names: Vec<Box<str>>,
    templates: Vec<Box<[u8]>>,
    constants: Vec<Constant>,
    literals: Vec<Literal>,
    callees: Vec<Callee>,
    types: Vec<Type>,
    messages: Vec<String>,
    sites: Vec<Site>,
}

impl<'s> File<'s> {
    fn names(&mut self, row: &[&'s [u8]]) -> Names {
        let count = index(row.len());
        if let Some(&first) = self.name_rows.get(row) {
            return Names { first, count };
        }
        let first = index(self.names.len());
        self.names.extend(row.iter().map(|name| String::from_utf8_lossy(name).into()));
        self.name_rows.insert(row.to_vec(), first);
        Names { first, count }
    }

    fn text(&mut self, text: &[u8]) -> u32 {
        if let Some(&at) = self.text_constants.get(text) {
            return at;
        }
        let at = self.constant(Constant::Text(text.into()));
        self.text_constants.insert(text.into(), at);
        at
    }

    fn constant(&mut self, constant: Constant) -> u32 {
        self.constants.push(constant);
        index(self.constants.len() - 1)
    }

    fn site(&mut self, at: u32, node: Span) -> u32 {
        self.sites.push(Site { at, node, is_template: false });
        index(self.sites.len() - 1)
    }

    fn type_of(&mut self, wanted: Type) -> u16 {
        let at = self.types.iter().position(|t| *t == wanted).unwrap_or_else(|| {
            self.types.push(wanted);
            self.types.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    }
}

struct Loop {
    /// Where the next round begins; none in the `else` of a `range`, where `break` ends that and `continue` is for the
    /// loop around it.
    next: Option<u32>,
    /// How many `with`s were open before.
    withs: u32,
    breaks: Vec<usize>,
}

struct BodyCompiler<'f, 's> {
    file: &'f mut File<'s>,
    code: Vec<Op>,
    sites: Vec<u32>,
    /// The variables in scope; a variable's place is its slot.
    scope: Vec<&'s [u8]>,
    slots: usize,
    loops: Vec<Loop>,
    withs: u32,
}

impl<'f, 's> BodyCompiler<'f, 's> {
    fn compile(file: &'f mut File<'s>, tree: &Tree<'s>) -> Body {
        let is_blank = is_blank(&tree.body, file.source);
        let mut compiler = BodyCompiler {
            file,
            code: Vec::new(),
            sites: Vec::new(),
            scope: vec![b"$"],
            slots: 1,
            loops: Vec::new(),
            withs: 0,
        };
        compiler.list(&tree.body);
        compiler.emit(Op::Return);
        Body {
            name: tree.name.clone(),
            code: compiler.code.into(),
            sites: compiler.sites.into(),
            slots: index(compiler.slots),
            is_blank,
        }
    }

    fn emit(&mut self, op: Op) {
        self.emit_at(op, INHERIT);
    }

    fn emit_at(&mut self, op: Op, site: u32) {
        self.code.push(op);
        self.sites.push(site);
    }

    fn here(&self) -> u32 {
        index(self.code.len())
    }

    /// Fills in the target of a jump that was emitted before.
    fn land(&mut self, jump: usize) {
        let here = self.here();
        match &mut self.code[jump] {
            Op::Jump(to)
            | Op::JumpUnless(to)
            | Op::With(to)
            | Op::OrElse(to)
            | Op::AndThen(to)
            | Op::Break(to)
            | Op::Range { otherwise: to, .. }
            | Op::Next { exit: to, .. }
            | Op::Method { skip: to, .. } => *to = here,
            _ => {}
        }
    }

    fn jump(&mut self, op: Op) -> usize {
        self.emit(op);
        self.code.len() - 1
    }

    fn fail(&mut self, message: String, site: u32) {
        self.file.messages.push(message);
        let at = index(self.file.messages.len() - 1);
        self.emit_at(Op::Fail(at), site);
    }

    fn list(&mut self, statements: &[Statement<'s>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    fn statement(&mut self, statement: &Statement<'s>) {
        match statement {
            Statement::Text(span) => self.emit(Op::Text(*span)),
            Statement::Action(pipeline) => {
                let declares = !pipeline.targets.is_empty();
                self.pipeline(pipeline, declares);
                if declares {
                    // The last store was the only one to keep the value.
                    if let Some(Op::Store { keep, .. }) = self.code.last_mut() {
                        *keep = false;
                    }
                } else {
                    let direct = !matches!(self.code.last(), Some(Op::Call { .. } | Op::MethodCall { .. }));
                    self.emit(Op::Print { direct });
                }
            }
            Statement::If(branches, otherwise) => {
                let visible = self.scope.len();
                let mut ends = Vec::with_capacity(branches.len());
                for branch in branches {
                    self.pipeline(&branch.pipeline, false);
                    let jump = self.jump(Op::JumpUnless(0));
                    self.branch(branch, jump, &mut ends);
                }
                self.list(otherwise);
                self.scope.truncate(visible);
                ends.into_iter().for_each(|end| self.land(end));
            }
            Statement::With(branches, otherwise) => {
                let visible = self.scope.len();
                let mut ends = Vec::with_capacity(branches.len());
                for branch in branches {
                    self.pipeline(&branch.pipeline, true);
                    let jump = self.jump(Op::With(0));
                    self.withs += 1;
                    self.branch(branch, jump, &mut ends);
                    self.withs -= 1;
                }
                self.list(otherwise);
                self.scope.truncate(visible);
                ends.into_iter().for_each(|end| self.land(end));
            }
            Statement::Range(branch, otherwise) => self.range(branch, otherwise),
            Statement::Template { name, name_span, data } => self.template(name, *name_span, data.as_ref()),
            Statement::Break => {
                let Some(innermost) = self.loops.last() else { return };
                let (in_loop, outside) = (innermost.next.is_some(), innermost.withs);
                self.unwind_withs(outside);
                let jump = self.jump(if in_loop { Op::Break(0) } else { Op::Jump(0) });
                if let Some(innermost) = self.loops.last_mut() {
                    innermost.breaks.push(jump);
                }
            }
            Statement::Continue => {
                let looping = self.loops.iter().rev().find_map(|l| Some((l.next?, l.withs)));
                let Some((next, outside)) = looping else { return };
                self.unwind_withs(outside);
                self.emit(Op::Jump(next));
            }
        }
    }

    /// A branch's body, and the jump over the branches that follow.
    fn branch(&mut self, branch: &Branch<'s>, jump: usize, ends: &mut Vec<usize>) {
        let visible = self.scope.len();
        self.list(&branch.body);
        self.scope.truncate(visible);
        if let Op::With(_) = self.code[jump] {
            self.emit(Op::EndWith);
        }
        ends.push(self.jump(Op::Jump(0)));
        self.land(jump);
    }

    fn unwind_withs(&mut self, outside: u32) {
        for _ in outside..self.withs {
            self.emit(Op::EndWith);
        }
    }

    fn range(&mut self, branch: &Branch<'s>, otherwise: &[Statement<'s>]) {
        let visible = self.scope.len();
        self.pipeline(&branch.pipeline, true);
        let targets: Vec<u32> = branch.pipeline.targets.iter().map(|name| self.slot(name).unwrap_or(NO_SLOT)).collect();
        let (index_slot, element) = match targets[..] {
            [] => (NO_SLOT, NO_SLOT),
            [element] => (NO_SLOT, element),
            [index, element, ..] => (index, element),
        };
        let start = self.jump(Op::Range { pairs: targets.len() > 1, otherwise: 0 });
        let next = self.jump(Op::Next { element, index: index_slot, exit: 0 });
        let in_loop = self.scope.len();
        self.loops.push(Loop { next: Some(index(next)), withs: self.withs, breaks: Vec::new() });
        self.list(&branch.body);
        self.scope.truncate(in_loop);
        self.emit(Op::Jump(index(next)));
        if let Some(entry) = self.loops.last_mut() {
            entry.next = None;
        }
        self.land(start);
        self.list(otherwise);
        self.scope.truncate(visible);
        self.land(next);
        for jump in self.loops.pop().map(|l| l.breaks).unwrap_or_default() {
            self.land(jump);
        }
    }

    fn template(&mut self, name: &[u8], name_span: Span, data: Option<&Pipeline<'s>>) {
        self.file.templates.push(name.into());
        let which = index(self.file.templates.len() - 1);
        let end = data.map_or(name_span.end, |pipeline| pipeline.span.end);
        self.file.sites.push(Site {
            at: name_span.start,
            node: Span { start: name_span.start, end },
            is_template: true,
        });
        let site = index(self.file.sites.len() - 1);
        self.emit_at(Op::Find(which), site);
        match data {
            Some(pipeline) => self.pipeline(pipeline, true),
            None => {
                self.emit(Op::Nil);
            }
        }
        self.emit_at(Op::Template(which), site);
    }

    fn slot(&self, name: &[u8]) -> Option<u32> {
        self.scope.iter().rposition(|known| *known == name).map(index)
    }

    /// Leaves the pipeline's value on the stack, after it was stored in the pipeline's variables.
    /// `settle`: what follows tells a nil interface from an invalid value.
    fn pipeline(&mut self, pipeline: &Pipeline<'s>, settle: bool) {
        let last = pipeline.commands.len().saturating_sub(1);
        for (i, command) in pipeline.commands.iter().enumerate() {
            self.command(command, pipeline, i > 0);
            if i < last || settle {
                self.emit(Op::Settle);
            }
        }
        for name in &pipeline.targets {
            let slot = if pipeline.assigns {
                let Some(slot) = self.slot(name) else {
                    self.fail(format!("undefined variable: {}", String::from_utf8_lossy(name)), INHERIT);
                    continue;
                };
                slot
            } else {
                self.scope.push(name);
                self.slots = self.slots.max(self.scope.len());
                index(self.scope.len() - 1)
            };
            self.emit(Op::Store { slot, keep: true });
        }
    }

    fn command(&mut self, command: &Command<'s>, pipeline: &Pipeline<'s>, piped: bool) {
        let Some((first, arguments)) = command.terms.split_first() else { return };
        let site = self.file.site(first.at, first.span);
        let applied = piped || !arguments.is_empty();
        match &first.kind {
            TermKind::Function(name) => {
                let node = self.file.site(command.span.start, command.span);
                self.call(name, site, node, arguments, piped);
            }
            TermKind::Fields(names) => {
                if applied {
                    let (last, path) = split_last(names);
                    let op = if path.is_empty() { Op::Dot } else { Op::DotPath(self.file.names(path)) };
                    self.emit_at(op, site);
                    self.method(last, site, arguments, piped);
                } else {
                    self.operand(first, site);
                }
            }
            TermKind::Variable(name, names) if applied && !names.is_empty() => {
                let Some(slot) = self.variable(name, site) else { return };
                let (last, path) = split_last(names);
                let op = if path.is_empty() {
                    Op::Variable(slot)
                } else {
                    Op::VariablePath { slot, names: self.file.names(path) }
                };
                self.emit_at(op, site);
                self.method(last, site, arguments, piped);
            }
            TermKind::Chain(inner, names) if applied => {
                self.chain_start(inner);
                let (last, path) = split_last(names);
                if !path.is_empty() {
                    let names = self.file.names(path);
                    self.emit_at(Op::TopPath(names), site);
                }
                self.method(last, site, arguments, piped);
            }
            TermKind::Chain(..) | TermKind::Variable(..) if !applied => self.operand(first, site),
            TermKind::Pipeline(inner) => {
                if applied {
                    if !piped {
                        let outer = self.file.site(pipeline.span.start, pipeline.span);
                        self.emit_at(Op::At, outer);
                    }
                    let shown = print_node(inner.span.of(self.file.source));
                    self.not_a_function(&shown, INHERIT);
                } else {
                    self.pipeline(inner, false);
                }
            }
            _ if applied => {
                if let TermKind::Variable(name, _) = first.kind
                    && self.variable(name, site).is_none()
                {
                    return;
                }
                let shown = print_node(first.span.of(self.file.source));
                self.not_a_function(&shown, site);
            }
            TermKind::Nil => self.fail("nil is not a command".into(), site),
            _ => self.operand(first, site),
        }
    }

    fn not_a_function(&mut self, shown: &[u8], site: u32) {
        self.fail(format!("can't give argument to non-function {}", String::from_utf8_lossy(shown)), site);
    }

    /// The slot of a variable, or a step that fails if it is out of scope.
    fn variable(&mut self, name: &[u8], site: u32) -> Option<u32> {
        let slot = self.slot(name);
        if slot.is_none() {
            self.fail(format!("undefined variable: {}", String::from_utf8_lossy(name)), site);
        }
        slot
    }

    /// Pushes a term's value, where no argument follows and any type will do.
    fn operand(&mut self, term: &Term<'s>, site: u32) {
        match &term.kind {
            TermKind::Dot => self.emit_at(Op::Dot, site),
            TermKind::Nil => self.emit_at(Op::Nil, site),
            TermKind::Bool(value) => self.constant(Constant::Bool(*value), site),
            TermKind::Text(text) => {
                let at = self.file.text(text);
                self.emit_at(Op::Const(at), site);
            }
            TermKind::Number(number) => self.ideal(number, term, site),
            TermKind::Function(name) => self.call(name, site, site, &[], false),
            TermKind::Fields(names) => {
                let names = self.file.names(names);
                self.emit_at(Op::DotPath(names), site);
            }
            TermKind::Variable(name, names) => {
                let Some(slot) = self.variable(name, site) else { return };
                let op = if names.is_empty() {
                    Op::Variable(slot)
                } else {
                    Op::VariablePath { slot, names: self.file.names(names) }
                };
                self.emit_at(op, site);
            }
            TermKind::Pipeline(pipeline) => self.pipeline(pipeline, true),
            TermKind::Chain(inner, names) => {
                self.chain_start(inner);
                let names = self.file.names(names);
                self.emit_at(Op::TopPath(names), site);
            }
        }
    }

    fn chain_start(&mut self, inner: &Term<'s>) {
        let site = self.file.site(inner.at, inner.span);
        self.operand(inner, site);
    }

    fn constant(&mut self, constant: Constant, site: u32) {
        let at = self.file.constant(constant);
        self.emit_at(Op::Const(at), site);
    }

    fn ideal(&mut self, number: &Number, term: &Term<'s>, site: u32) {
        match number.ideal() {
            Ideal::Int(n) => self.constant(Constant::Int(n), site),
            Ideal::Float(f) => self.constant(Constant::Float(f), site),
            Ideal::Complex(re, im) => self.constant(Constant::Complex(re, im), site),
            Ideal::Overflow => {
                let shown = self.shown(term);
                self.fail(format!("{shown} overflows int"), site);
            }
        }
    }

    fn shown(&self, term: &Term<'s>) -> String {
        print_site(self.file.source, &Site { at: term.at, node: term.span, is_template: false })
    }

    /// Calls a method of the receiver on top with arguments.
    fn method(&mut self, name: &'s [u8], site: u32, arguments: &[Term<'s>], piped: bool) {
        let Names { first: name, .. } = self.file.names(&[name]);
        let Ok(count) = u16::try_from(arguments.len()) else {
            return self.fail("too many arguments".into(), site);
        };
        let start = self.jump(Op::Method { name, count, piped, skip: 0 });
        for (i, term) in arguments.iter().enumerate() {
            let at = self.file.site(term.at, term.span);
            let literal = match &term.kind {
                TermKind::Bool(value) => Literal::Bool(*value),
                TermKind::Number(number) => Literal::Number(*number),
                TermKind::Text(text) => Literal::Text(text.clone()),
                TermKind::Nil => {
                    self.emit_at(Op::MethodNil(index(i)), at);
                    continue;
                }
                _ => {
                    self.operand(term, at);
                    self.emit(Op::MethodArgument(index(i)));
                    continue;
                }
            };
            self.file.literals.push(literal);
            let literal = index(self.file.literals.len() - 1);
            self.emit_at(Op::MethodLiteral { literal, index: index(i) }, at);
        }
        self.emit_at(Op::MethodCall { count, piped }, site);
        self.land(start);
    }

    /// Calls a function. `node` is where an error that it returns is.
    fn call(&mut self, name: &'s [u8], site: u32, node: u32, arguments: &[Term<'s>], piped: bool) {
        let Some(callee) = self.file.functions.resolve(name) else {
            let name = String::from_utf8_lossy(name);
            return self.fail(format!("\"{name}\" is not a defined function"), site);
        };
        let (params, variadic) = callee.signature();
        let given = arguments.len() + usize::from(piped);
        let name_shown = callee.name();
        if variadic.is_some() {
            if given < params.len() {
                let (least, got) = (params.len(), arguments.len());
                let message = format!("wrong number of args for {name_shown}: want at least {least} got {got}");
                return self.fail(message, site);
            }
        } else if given != params.len() {
            let message = format!("wrong number of args for {name_shown}: want {} got {given}", params.len());
            return self.fail(message, site);
        }
        let Ok(count) = u16::try_from(given) else {
            return self.fail("too many arguments".into(), site);
        };
        if arguments.is_empty() {
            self.emit_at(Op::At, site);
        }
        if let Callee::Builtin(which @ (Builtin::And | Builtin::Or)) = callee {
            return self.short_circuit(which, arguments, piped);
        }
        let wanted = |i: usize| params.get(i).copied().or(variadic).unwrap_or(Type::Any);
        for (i, term) in arguments.iter().enumerate() {
            self.argument(term, wanted(i));
        }
        if piped {
            self.check(wanted(arguments.len()), arguments.len());
        }
        let function = match self.file.bound.get(name) {
            Some(&function) => function,
            None => {
                self.file.callees.push(callee);
                let function = index(self.file.callees.len() - 1);
                self.file.bound.insert(name, function);
                function
            }
        };
        self.emit_at(Op::Call { function, count, piped }, node);
        if let Callee::Builtin(Builtin::Call) = callee {
            // An error of `call` shows its callee as it is written.
            let shown = arguments.first().map_or_else(String::new, |term| match &term.kind {
                TermKind::Pipeline(inner) => {
                    String::from_utf8_lossy(&print_node(inner.span.of(self.file.source))).into_owned()
                }
                _ => self.shown(term),
            });
            self.fail(shown, node);
        }
    }

    fn short_circuit(&mut self, which: Builtin, arguments: &[Term<'s>], piped: bool) {
        let jump = if which == Builtin::Or { Op::OrElse(0) } else { Op::AndThen(0) };
        let mut decided = Vec::new();
        for (i, term) in arguments.iter().enumerate() {
            self.argument(term, Type::Reflect);
            if piped || i + 1 < arguments.len() {
                decided.push(self.jump(jump));
            }
        }
        if piped && !arguments.is_empty() {
            // The piped value is the last argument; it lies below the one that decided.
            let end = self.jump(Op::Jump(0));
            decided.into_iter().for_each(|jump| self.land(jump));
            self.emit(Op::DropBelow);
            self.land(end);
        } else {
            decided.into_iter().for_each(|jump| self.land(jump));
        }
    }

    fn check(&mut self, wanted: Type, below: usize) {
        if matches!(wanted, Type::Any | Type::Reflect) {
            return;
        }
        let wanted = self.file.type_of(wanted);
        self.emit(Op::Check { wanted, below: u16::try_from(below).unwrap_or(u16::MAX) });
    }

    /// Pushes an argument for a parameter of a known type.
    fn argument(&mut self, term: &Term<'s>, wanted: Type) {
        let site = self.file.site(term.at, term.span);
        match &term.kind {
            TermKind::Nil => {
                if can_be_nil(wanted) {
                    self.emit_at(Op::Nil, site);
                    self.check(wanted, 0);
                } else {
                    self.fail(format!("cannot assign nil to {}", wanted.name()), site);
                }
            }
            TermKind::Bool(value) => {
                self.literal(&Literal::Bool(*value), term, wanted, site);
            }
            TermKind::Number(number) => self.literal(&Literal::Number(*number), term, wanted, site),
            TermKind::Text(text) => self.literal(&Literal::Text(text.clone()), term, wanted, site),
            _ => {
                self.operand(term, site);
                self.check(wanted, 0);
            }
        }
    }

    fn literal(&mut self, literal: &Literal, term: &Term<'s>, wanted: Type, site: u32) {
        if matches!(wanted, Type::Any | Type::Reflect) {
            return self.operand(term, site);
        }
        match typed_literal(literal, wanted, || self.shown(term)) {
            Ok(Constant::Text(text)) => {
                let at = self.file.text(&text);
                self.emit_at(Op::Const(at), site);
            }
            Ok(constant) => self.constant(constant, site),
            Err(message) => self.fail(message, site),
        }
    }
}

fn split_last<'a, 's>(names: &'a [&'s [u8]]) -> (&'s [u8], &'a [&'s [u8]]) {
    names.split_last().map_or((&[], &[]), |(last, path)| (*last, path))
}

/// Whether nil may be written for a parameter of this type.
pub(crate) fn can_be_nil(wanted: Type) -> bool {
    match wanted {
        Type::Any | Type::Reflect | Type::List | Type::Strings | Type::Map => true,
        Type::Named(name) => name.starts_with(['*', '[']) || name.starts_with("map["),
        Type::Bool | Type::Int | Type::Int64 | Type::Float64 | Type::String | Type::Time => false,
    }
}

/// A literal as a value of a parameter's type, or Go's message why it is none.
pub(crate) fn typed_literal(literal: &Literal, wanted: Type, shown: impl Fn() -> String) -> Result<Constant, String> {
    let expected = |what: &str| Err(format!("expected {what}; found {}", shown()));
    match (wanted, literal) {
        (Type::Any | Type::Reflect, Literal::Bool(b)) | (Type::Bool, Literal::Bool(b)) => Ok(Constant::Bool(*b)),
        (Type::Any | Type::Reflect, Literal::Text(text)) | (Type::String, Literal::Text(text)) => {
            Ok(Constant::Text(text.clone()))
        }
        (Type::Any | Type::Reflect, Literal::Number(number)) => match number.ideal() {
            Ideal::Int(n) => Ok(Constant::Int(n)),
            Ideal::Float(f) => Ok(Constant::Float(f)),
            Ideal::Complex(re, im) => Ok(Constant::Complex(re, im)),
            Ideal::Overflow => Err(format!("{} overflows int", shown())),
        },
        (Type::Bool, _) => expected("bool"),
        (Type::String, _) => expected("string"),
        (Type::Float64, Literal::Number(Number { float: Some(f), .. })) => Ok(Constant::Float(*f)),
        (Type::Float64, _) => expected("float"),
        (Type::Int, Literal::Number(Number { int: Some(n), .. })) => Ok(Constant::Int(*n)),
        (Type::Int64, Literal::Number(Number { int: Some(n), .. })) => Ok(Constant::Int64(*n)),
        (Type::Named("time.Duration"), Literal::Number(Number { int: Some(n), .. })) => Ok(Constant::Duration(*n)),
        (Type::Int | Type::Int64 | Type::Named("time.Duration"), _) => expected("integer"),
        // Go sets the 32 bits without a look at the others.
        (Type::Named("uint32"), Literal::Number(Number { int: Some(n @ 0..), .. })) => {
            Ok(Constant::Int(*n & 0xffff_ffff))
        }
        (Type::Named("uint32"), _) => expected("unsigned integer"),
        (Type::List | Type::Strings | Type::Map | Type::Time | Type::Named(_), _) => {
            Err(format!("can't handle {} for arg of type {}", shown(), wanted.name()))
        }
    }
}
