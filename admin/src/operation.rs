//! One row of the table of operations: where it is, who may, what it takes, what it answers, and what does it.

use std::fmt;

use actix_web::http::Method;
use futures_util::future::LocalBoxFuture;
use model::actor::{Action, Resource};
use serde_json::Value;

use crate::call::Call;
use crate::problem::Problem;
use crate::query::Parameter;
use crate::reply::Reply;
use crate::shape::Shape;

/// What a handler comes to.
pub(crate) type Outcome = Result<Reply, Problem>;

/// What an operation runs.
pub(crate) type Handler = Box<dyn Fn(Call) -> LocalBoxFuture<'static, Outcome> + Send + Sync>;

/// One operation of the API.
pub(crate) struct Operation {
    /// Its method.
    pub(crate) method: Method,
    /// Its path below `/api/v1`, with `{parameters}`.
    pub(crate) path: String,
    /// The right that it asks for.
    pub(crate) right: (Resource, Action),
    /// Its words.
    pub(crate) words: Words,
    /// Its query parameters.
    pub(crate) query: Vec<Parameter>,
    /// The body that it takes.
    pub(crate) body: Option<Body>,
    /// What it answers when all is well.
    pub(crate) answer: Answer,
    /// Whether it writes configuration: then it can be tried, and waited for.
    pub(crate) configures: bool,
    /// Whether it honours `If-Match`.
    pub(crate) conditional: bool,
    /// Whether the state of things may forbid it (409).
    pub(crate) conflicts: bool,
    /// What does it.
    pub(crate) handler: Handler,
}

/// What people and tools read of an operation.
#[derive(Debug, Clone)]
pub(crate) struct Words {
    /// The group that it stands in.
    pub(crate) tag: &'static str,
    /// A unique name for tools, such as `list_services`.
    pub(crate) id: String,
    /// What it does, in a few words.
    pub(crate) summary: String,
    /// What else is to know.
    pub(crate) notes: String,
}

/// The body of a request.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    /// Its shape.
    pub(crate) shape: Shape,
    /// One that works.
    pub(crate) example: Value,
    /// Whether it may be left out.
    pub(crate) optional: bool,
}

/// A good answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// Its status.
    pub(crate) status: u16,
    /// What it holds, in a few words.
    pub(crate) about: String,
    /// The shape of its body, when there is one.
    pub(crate) shape: Option<Shape>,
    /// An example of it.
    pub(crate) example: Option<Value>,
    /// Whether it has a `Location`.
    pub(crate) location: bool,
    /// Whether it has an `ETag`.
    pub(crate) etag: bool,
}

impl Operation {
    /// An operation; what is not said with the other functions is not there.
    pub(crate) fn new<F>(
        method: Method,
        path: impl Into<String>,
        right: (Resource, Action),
        handler: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Outcome> + 'static,
    {
        Self {
            method,
            path: path.into(),
            right,
            words: Words {
                tag: "",
                id: String::new(),
                summary: String::new(),
                notes: String::new(),
            },
            query: Vec::new(),
            body: None,
            answer: Answer {
                status: 200,
                about: String::new(),
                shape: None,
                example: None,
                location: false,
                etag: false,
            },
            configures: false,
            conditional: false,
            conflicts: false,
            handler: Box::new(move |call| Box::pin(handler(call))),
        }
    }

    /// Its words for people and tools.
    pub(crate) fn words(mut self, tag: &'static str, id: impl Into<String>, summary: impl Into<String>) -> Self {
        self.words = Words {
            tag,
            id: id.into(),
            summary: summary.into(),
            notes: self.words.notes,
        };
        self
    }

    /// More words.
    pub(crate) fn notes(mut self, notes: impl Into<String>) -> Self {
        self.words.notes = notes.into();
        self
    }

    /// Query parameters that it takes.
    pub(crate) fn query(mut self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        self.query.extend(parameters);
        self
    }

    /// The JSON that it takes.
    pub(crate) fn body(mut self, shape: Shape, example: Value) -> Self {
        self.body = Some(Body {
            shape,
            example,
            optional: false,
        });
        self
    }

    /// The JSON that it takes, when there is any.
    pub(crate) fn optional_body(mut self, shape: Shape, example: Value) -> Self {
        self.body = Some(Body {
            shape,
            example,
            optional: true,
        });
        self
    }

    /// What it answers.
    pub(crate) fn answers(mut self, status: u16, about: impl Into<String>, shape: Option<Shape>) -> Self {
        self.answer.status = status;
        self.answer.about = about.into();
        self.answer.shape = shape;
        self
    }

    /// An example of the answer.
    pub(crate) fn example(mut self, example: Value) -> Self {
        self.answer.example = Some(example);
        self
    }

    /// The answer says where the new object is.
    pub(crate) fn with_location(mut self) -> Self {
        self.answer.location = true;
        self
    }

    /// The answer has an `ETag`.
    pub(crate) fn with_etag(mut self) -> Self {
        self.answer.etag = true;
        self
    }

    /// It writes configuration.
    pub(crate) fn configures(mut self) -> Self {
        self.configures = true;
        self.query.extend(Parameter::of_writes());
        self
    }

    /// It honours `If-Match`.
    pub(crate) fn conditional(mut self) -> Self {
        self.conditional = true;
        self
    }

    /// The state of things may forbid it.
    pub(crate) fn conflicts(mut self) -> Self {
        self.conflicts = true;
        self
    }

    /// The names in its path.
    pub(crate) fn path_parameters(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .collect()
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}
