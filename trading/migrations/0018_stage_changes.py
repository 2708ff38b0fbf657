from django.db import migrations, models

# What the words of AIDecision.stages are computed from; see trading/queries/stage_words.py. A note is one row that
# nobody else writes or waits for, so that no trigger adds a lock.
NOTE = """
CREATE FUNCTION note_decision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stage_changes (decision_id, symbol) VALUES (NEW.id, '');
    RETURN NULL;
END $$;
CREATE FUNCTION note_decision_of() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stage_changes (decision_id, symbol) VALUES (NEW.decision_id, '');
    RETURN NULL;
END $$;
CREATE FUNCTION note_decision_of_order() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stage_changes (decision_id, symbol)
        SELECT decision_id, '' FROM orders WHERE id = NEW.order_id AND decision_id IS NOT NULL;
    RETURN NULL;
END $$;
CREATE FUNCTION note_exits() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stage_changes (symbol) VALUES (CASE TG_OP WHEN 'DELETE' THEN OLD.symbol ELSE NEW.symbol END);
    RETURN NULL;
END $$;
CREATE FUNCTION note_exits_of_closing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO stage_changes (symbol) VALUES (NEW.aggregate_id);
    RETURN NULL;
END $$;

CREATE TRIGGER stages_of_new AFTER INSERT ON ai_decisions FOR EACH ROW EXECUTE FUNCTION note_decision();
CREATE TRIGGER stages_of_changed AFTER UPDATE OF status, risk_check_id ON ai_decisions FOR EACH ROW
    WHEN ((OLD.status, OLD.risk_check_id) IS DISTINCT FROM (NEW.status, NEW.risk_check_id))
    EXECUTE FUNCTION note_decision();
CREATE TRIGGER stages_of_new AFTER INSERT ON orders FOR EACH ROW
    WHEN (NEW.decision_id IS NOT NULL) EXECUTE FUNCTION note_decision_of();
CREATE TRIGGER stages_of_changed AFTER UPDATE ON orders FOR EACH ROW
    WHEN (NEW.decision_id IS NOT NULL AND (OLD.status, OLD.filled_quantity, OLD.acknowledged_at, OLD.ended_at)
        IS DISTINCT FROM (NEW.status, NEW.filled_quantity, NEW.acknowledged_at, NEW.ended_at))
    EXECUTE FUNCTION note_decision_of();
CREATE TRIGGER stages_of_new AFTER INSERT ON sagas FOR EACH ROW EXECUTE FUNCTION note_decision_of();
CREATE TRIGGER stages_of_changed AFTER UPDATE ON sagas FOR EACH ROW
    WHEN ((OLD.status, OLD.ended_at) IS DISTINCT FROM (NEW.status, NEW.ended_at))
    EXECUTE FUNCTION note_decision_of();
CREATE TRIGGER stages_of_order AFTER INSERT ON fills FOR EACH ROW EXECUTE FUNCTION note_decision_of_order();
CREATE TRIGGER stages_of_order AFTER INSERT OR UPDATE ON trades FOR EACH ROW
    EXECUTE FUNCTION note_decision_of_order();
CREATE TRIGGER stages_of_exits AFTER INSERT OR UPDATE ON trades FOR EACH ROW
    WHEN (NEW.side = 'sell') EXECUTE FUNCTION note_exits();
CREATE TRIGGER stages_of_exits AFTER INSERT OR DELETE ON positions FOR EACH ROW EXECUTE FUNCTION note_exits();
CREATE TRIGGER stages_of_exits AFTER INSERT ON events FOR EACH ROW
    WHEN (NEW.type = 'position.closed') EXECUTE FUNCTION note_exits_of_closing();
"""
FORGET = """
DROP FUNCTION note_decision, note_decision_of, note_decision_of_order, note_exits, note_exits_of_closing CASCADE
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0017_event_transaction_ids"),
    ]

    operations = [
        migrations.CreateModel(
            name="StageChange",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("decision_id", models.UUIDField(null=True)),
                ("symbol", models.CharField(db_default="", default="", max_length=32)),
            ],
            options={"db_table": "stage_changes"},
        ),
        migrations.RunSQL(NOTE, FORGET),
    ]
