"""Without a login, no request to the admin site changes anything, whatever it says."""

import pytest
from actors import Rater
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from study_server.storage.models import AuditEntry, Base
from study_server.web.admin.accounts import set_password

pytestmark = pytest.mark.integration

NASTY = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        ["open", "paused", "closed", "1", "' OR 1=1 --", "../../etc/passwd", "\x00", "%00"]
    ),
)


def contents(database):
    """Return every row of every table, less what failed log-ins add."""
    with database.read() as connection:
        tables = [
            (table.name, connection.execute(select(table).order_by(*table.primary_key)).all())
            for table in Base.metadata.sorted_tables
            if table.name not in ("audit_log", "stimulus")
        ]
        rest = select(AuditEntry.action).where(AuditEntry.action != "login failed")
        return tables, connection.execute(rest).all()


def rules(app):
    return [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/admin/")]


def test_there_are_routes_to_try(sqlite_app):
    assert len(rules(sqlite_app)) >= 12


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_route_changes_anything_without_a_login(sqlite_app, sqlite, data):
    if not hasattr(sqlite, "prepared"):
        set_password(sqlite, "admin", "a long enough password")
        Rater(sqlite_app).begin().answer()
        sqlite.prepared = contents(sqlite)
    rule = data.draw(st.sampled_from(rules(sqlite_app)))
    method = data.draw(
        st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
    )
    values = {name: data.draw(st.integers(0, 3)) for name in rule.arguments}
    with sqlite_app.test_request_context():
        url = sqlite_app.url_map.bind("localhost").build(rule.endpoint, values)
    fields = data.draw(
        st.dictionaries(
            st.sampled_from(["state", "confirm", "csrf_token", "name", "password", "as", "list"]),
            NASTY,
        )
    )
    headers = {
        "Cookie": f"session={data.draw(st.from_regex(r'[A-Za-z0-9._-]{0,60}', fullmatch=True))}"
    }
    response = sqlite_app.test_client().open(url, method=method, data=fields, headers=headers)
    assert response.status_code < 500
    assert not (response.status_code == 200 and method == "POST")
    assert contents(sqlite) == sqlite.prepared
