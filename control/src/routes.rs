//! Routes: two that no request could tell apart are refused, one that can never win is stored with a warning.

use std::collections::{BTreeSet, HashMap};

use model::actor::{Action, Actor, Resource};
use model::id::RouteId;
use model::route::split::SplitDraft;
use model::route::{PathPattern, RouteDraft, RouteSpec, Segment};
use model::{Code, Errors, Kind, Stored, Warning};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{Dependant, Error, Result};
use crate::store::{Filter, Table};
use crate::{Control, authorize, references};

/// The most routes that are looked at for one that shadows another; the highest priorities come first.
const MOST_SHADOWS: i64 = 2_000;

impl Table for RouteSpec {
    const TABLE: &'static str = "routes";
    const RESOURCE: Resource = Resource::Routes;
    const FILTERS: &'static [(&'static str, Filter)] = &[("service", Filter::Reference("service_id", Kind::Service))];

    async fn resolve(connection: &mut PgConnection, draft: &mut RouteDraft, errors: &mut Errors) -> Result<()> {
        references::resolve(connection, Kind::Service, "service", &mut draft.service, errors).await?;
        for (path, service) in draft.split.iter_mut().flat_map(SplitDraft::services_mut) {
            let mut reference = Some(std::mem::take(service));
            references::resolve(connection, Kind::Service, &path, &mut reference, errors).await?;
            *service = reference.unwrap_or_default();
        }
        Ok(())
    }

    async fn check(
        connection: &mut PgConnection,
        id: Uuid,
        _before: Option<&Self>,
        spec: &mut Self,
        errors: &mut Errors,
    ) -> Result<()> {
        hold_split(connection, spec, errors).await?;
        if !spec.enabled {
            return Ok(());
        }
        // One at a time: two that do not see each other yet could not be told apart once both are there.
        sqlx::query!("select pg_advisory_xact_lock(hashtext('gatehouse_routes'))")
            .execute(&mut *connection)
            .await?;
        let others = find(connection, &Wanted::like(spec), i64::MAX).await?;
        for other in others.into_iter().filter(|other| other.id != id) {
            if spec.indistinguishable(&other.spec) {
                let message = format!(
                    "cannot be told apart from route `{}`: no request would know which one to take; change what one of \
                     them matches, or its priority",
                    other.name
                );
                errors.add("", Code::Conflict, message);
            }
        }
        Ok(())
    }

    async fn warnings(connection: &mut PgConnection, id: Uuid, spec: &Self) -> Result<Vec<Warning>> {
        let others = find(connection, &Wanted::above([spec]), MOST_SHADOWS).await?;
        let shadow = others.iter().find(|other| other.shadows(id, spec));
        Ok(shadow.map(Other::warning).into_iter().collect())
    }

    async fn dependants(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Dependant>> {
        references::dependants(connection, Kind::Plugin, ("plugins", "route_id"), id).await
    }
}

/// Holds the services of a split. They stand in lists, which Postgres does not hold to be true by itself: until the end of
/// the change they cannot be deleted, and from then on the route is in the way.
async fn hold_split(connection: &mut PgConnection, spec: &RouteSpec, errors: &mut Errors) -> Result<()> {
    let Some(split) = &spec.split else { return Ok(()) };
    let named: Vec<Uuid> = split.services_named().map(|(_, id)| id.0).collect();
    let held = sqlx::query_scalar!(
        "select id from services where id = any($1) order by id for key share",
        &named
    )
    .fetch_all(connection)
    .await?;
    for (path, id) in split.services_named().filter(|(_, id)| !held.contains(&id.0)) {
        errors.add(
            path,
            Code::NotFound,
            format!("does not exist: there is no service `{id}`"),
        );
    }
    Ok(())
}

/// What is odd about these routes, for those of which something is.
pub async fn warnings(
    control: &Control,
    actor: &Actor,
    routes: &[Stored<RouteSpec>],
) -> Result<HashMap<RouteId, Warning>> {
    authorize(actor, Resource::Routes, Action::Read)?;
    if routes.is_empty() {
        return Ok(HashMap::new());
    }
    let mut connection = control.pool().acquire().await?;
    let wanted = Wanted::above(routes.iter().map(|stored| &stored.spec));
    let others = find(&mut connection, &wanted, MOST_SHADOWS).await?;
    let warning = |stored: &Stored<RouteSpec>| {
        let shadow = others.iter().find(|other| other.shadows(stored.id.0, &stored.spec));
        shadow.map(|other| (stored.id, other.warning()))
    };
    Ok(routes.iter().filter_map(warning).collect())
}

/// Another route, as far as it may get in the way.
struct Other {
    id: Uuid,
    name: String,
    spec: RouteSpec,
    /// Whether gateways serve it: without its service, a route matches nothing.
    served: bool,
}

impl Other {
    fn shadows(&self, id: Uuid, spec: &RouteSpec) -> bool {
        self.served && self.id != id && spec.shadowed_by(&self.spec)
    }

    fn warning(&self) -> Warning {
        Warning {
            path: String::new(),
            message: format!(
                "never matches: route `{}` takes every such request first; make this one more specific or give it a \
                 higher priority",
                self.name
            ),
        }
    }
}

/// Which routes to look at, told by their paths, so that the database need not send all.
#[derive(Default)]
struct Wanted {
    /// Texts of paths.
    texts: BTreeSet<String>,
    /// Patterns, as `like` has them, of the JSON text of a list of paths.
    likes: BTreeSet<String>,
    /// Whether routes without a path are among them.
    without_path: bool,
}

impl Wanted {
    /// Routes that share a path with this one, whatever its parameters are called, or that have none either.
    fn like(spec: &RouteSpec) -> Self {
        let mut wanted = Self {
            without_path: spec.paths.is_empty(),
            ..Self::default()
        };
        for path in &spec.paths {
            match path {
                PathPattern::Parameters(segments) => drop(wanted.likes.insert(like_segments(segments))),
                _ => drop(wanted.texts.insert(path.to_string())),
            }
        }
        wanted
    }

    /// Routes that have a path which could take all that one of these does.
    fn above<'a>(specs: impl IntoIterator<Item = &'a RouteSpec>) -> Self {
        let mut wanted = Self {
            without_path: true,
            ..Self::default()
        };
        wanted.texts.insert("/".to_owned());
        wanted.likes.insert("%\"/{%".to_owned());
        for path in specs.into_iter().flat_map(|spec| &spec.paths) {
            wanted.add_above(path);
        }
        wanted
    }

    fn add_above(&mut self, path: &PathPattern) {
        let text = path.to_string();
        self.texts.insert(text.clone());
        match path {
            PathPattern::Regex(_) => return,
            PathPattern::Exact(_) => drop(self.likes.insert("%\"~%".to_owned())),
            PathPattern::Prefix(_) | PathPattern::Parameters(_) => {}
        }
        let text = text.trim_start_matches('=');
        let fixed = text.split('{').next().unwrap_or(text);
        let ends = fixed.char_indices().map(|(at, character)| at + character.len_utf8());
        self.texts.extend(ends.map(|end| fixed[..end].to_owned()));
        let first = fixed.split('/').nth(1).unwrap_or_default();
        self.likes.insert(format!("%\"/{}/%{{%", escape(first)));
    }
}

/// A pattern of paths with these segments; names of parameters are left open.
fn like_segments(segments: &[Segment]) -> String {
    let part = |segment: &Segment| match segment {
        Segment::Literal(text) => escape(text),
        Segment::Parameter(_) => "{%}".to_owned(),
        Segment::Rest(_) => "{*%}".to_owned(),
    };
    format!("%\"/{}\"%", segments.iter().map(part).collect::<Vec<_>>().join("/"))
}

/// Text as it stands in a pattern of `like`.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

async fn find(connection: &mut PgConnection, wanted: &Wanted, limit: i64) -> Result<Vec<Other>> {
    let texts: Vec<String> = wanted.texts.iter().cloned().collect();
    let likes: Vec<String> = wanted.likes.iter().cloned().collect();
    // Patterns always name a parameter or a regular expression: an index holds the routes that have one.
    let rows = sqlx::query!(
        r#"select route.id, route.name, route.spec, service.enabled
               from routes route join services service on service.id = route.service_id
               where route.enabled
                 and route.id in (
                     select id from routes where spec -> 'paths' ?| $1::text[]
                     union all
                     select id from routes where patterned and spec ->> 'paths' like any ($2::text[])
                     union all
                     select id from routes where $3 and spec -> 'paths' = '[]')
               order by (route.spec ->> 'priority')::int desc, route.id
               limit $4"#,
        &texts,
        &likes,
        wanted.without_path,
        limit,
    )
    .fetch_all(connection)
    .await?;
    let read = |spec| {
        serde_json::from_value(spec).map_err(|source| Error::Corrupt {
            what: Kind::Route.as_str(),
            source,
        })
    };
    rows.into_iter()
        .map(|row| {
            Ok(Other {
                id: row.id,
                name: row.name,
                spec: read(row.spec)?,
                served: row.enabled,
            })
        })
        .collect()
}
