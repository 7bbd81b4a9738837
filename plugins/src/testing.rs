//! Fakes, so that a test of a plugin is a plain function call.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use futures_util::FutureExt as _;
use http::{HeaderName, HeaderValue};
use model::clock::{ManualClock, Timestamp};
use model::credential::{CredentialStatus, KeySecret};
use model::id::{ConsumerId, CredentialId, PluginId, RouteId, ServiceId};
use model::service::Scheme;
use model::snapshot::{ConsumerRow, ConsumerStatus};
use pingora_http::{RequestHeader, ResponseHeader};
use serde_json::Value;

use crate::counters::Counters;
use crate::directory::{Consumer, Credential, Directory, KeyMatch};
use crate::exchange::{Answer, Exchange, Facts, Flow, Refusal, ResponseExchange};
use crate::plugin::Filter;
use crate::registry::Registry;
use crate::services::Services;

/// When every test begins.
pub fn start() -> Timestamp {
    Timestamp::UNIX_EPOCH + time::Duration::days(20_000)
}

/// Services with a clock that stands still.
pub fn services() -> Services {
    Services {
        clock: Arc::new(ManualClock::at(start())),
        key_brand: "gh".into(),
        counters: Arc::new(Counters::default()),
    }
}

/// A filter of the registry's plugin `name`; panics when the configuration is wrong.
#[expect(clippy::expect_used, reason = "a test that gives a wrong configuration shall fail")]
pub fn filter(registry: &Registry, name: &str, config: &Value) -> Box<dyn Filter> {
    let plugin = registry.find(name).expect("a plugin of this name");
    let complete = plugin.validate(config).expect("a valid configuration");
    plugin
        .compile(&complete, PluginId::generate(), &services())
        .expect("a configuration that compiles")
}

/// Keys and consumers in memory.
#[derive(Debug, Default)]
pub struct FakeDirectory {
    keys: HashMap<String, KeyMatch>,
    consumers: HashMap<String, Arc<Consumer>>,
}

impl FakeDirectory {
    /// Adds a consumer.
    pub fn with_consumer(mut self, name: &str) -> Self {
        let row = ConsumerRow {
            name: name.to_owned(),
            custom_id: None,
            status: ConsumerStatus::Active,
            grants: None,
        };
        let consumer = Arc::new(Consumer {
            id: ConsumerId::generate(),
            row,
        });
        self.consumers.insert(name.to_owned(), consumer);
        self
    }

    /// Adds a key of a consumer, and the consumer where necessary.
    pub fn with_key(mut self, key: &str, consumer: &str, status: CredentialStatus) -> Self {
        if !self.consumers.contains_key(consumer) {
            self = self.with_consumer(consumer);
        }
        let consumer = self.consumers[consumer].clone();
        let credential = Credential {
            identifier: KeySecret::presented(key).prefix().to_owned(),
            status,
            ip_allow: Vec::new(),
            expires_at: None,
        };
        let found = KeyMatch {
            id: CredentialId::generate(),
            credential,
            consumer,
        };
        self.keys.insert(key.to_owned(), found);
        self
    }

    /// Changes what is known of a consumer; keys that it got before do not see it.
    pub fn with_status(mut self, consumer: &str, status: ConsumerStatus) -> Self {
        if let Some(consumer) = self.consumers.get_mut(consumer) {
            Arc::make_mut(consumer).row.status = status;
        }
        self
    }

    /// Changes what is known of a key.
    pub fn with_credential(mut self, key: &str, change: fn(&mut Credential)) -> Self {
        if let Some(found) = self.keys.get_mut(key) {
            change(&mut found.credential);
        }
        self
    }
}

impl Directory for FakeDirectory {
    fn find_key(&self, key: &KeySecret) -> Option<KeyMatch> {
        self.keys.get(key.expose()).cloned()
    }

    fn find_consumer(&self, name: &str) -> Option<Arc<Consumer>> {
        self.consumers.get(name).cloned()
    }
}

/// One request with everything around it.
#[derive(Debug)]
pub struct FakeExchange {
    /// The request.
    pub request: RequestHeader,
    /// What is known of it.
    pub facts: Facts,
    /// Who is known.
    pub directory: FakeDirectory,
}

#[expect(clippy::expect_used, reason = "a test that gives a wrong request shall fail")]
impl FakeExchange {
    /// A request from `192.0.2.1`.
    pub fn new(method: &str, path_and_query: &str) -> Self {
        let request = RequestHeader::build(method, path_and_query.as_bytes(), None).expect("a request");
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (path_and_query, None),
        };
        let facts = Facts {
            received_at: start(),
            request_id: "test".to_owned(),
            client_ip: IpAddr::from([192, 0, 2, 1]),
            scheme: Scheme::Http,
            host: "api.example.com".to_owned(),
            path: path.to_owned(),
            query,
            parameters: Vec::new(),
            route: RouteId::generate(),
            service: ServiceId::generate(),
            identity: None,
            response_headers: Vec::new(),
        };
        Self {
            request,
            facts,
            directory: FakeDirectory::default(),
        }
    }

    /// With one more header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a value");
        self.request.append_header(name, value).expect("room for a header");
        self
    }

    /// With these consumers and keys.
    pub fn directory(mut self, directory: FakeDirectory) -> Self {
        self.directory = directory;
        self
    }

    /// Runs a filter that decides at once.
    pub fn run(&mut self, filter: &dyn Filter) -> Flow {
        let mut exchange = Exchange {
            request: &mut self.request,
            facts: &mut self.facts,
            directory: &self.directory,
        };
        filter
            .on_request(&mut exchange)
            .flow()
            .now_or_never()
            .expect("a decision at once")
    }

    /// Runs a filter that refuses.
    pub fn refusal(&mut self, filter: &dyn Filter) -> Refusal {
        match self.run(filter) {
            Flow::Respond(answer) => match *answer {
                Answer::Refusal(refusal) => refusal,
                Answer::Response { status, .. } => panic!("answered with {status} instead of refusing"),
            },
            Flow::Continue => panic!("let the request pass instead of refusing it"),
        }
    }

    /// Lets a filter see a response.
    pub fn respond(&mut self, filter: &dyn Filter, mut response: ResponseHeader) -> ResponseHeader {
        filter.on_response(&mut ResponseExchange {
            response: &mut response,
            facts: &mut self.facts,
        });
        response
    }

    /// The values of a header that the response will carry.
    pub fn promised(&self, name: &str) -> Vec<&str> {
        let wanted = |(known, _): &&(HeaderName, HeaderValue)| known == name;
        self.facts
            .response_headers
            .iter()
            .filter(wanted)
            .map(|(_, value)| value.to_str().expect("text"))
            .collect()
    }

    /// The values of a header that the service will see.
    pub fn forwarded(&self, name: &str) -> Vec<&str> {
        self.request
            .headers
            .get_all(name)
            .iter()
            .map(|value| value.to_str().expect("text"))
            .collect()
    }
}
