CREATE TABLE `given_items` (
	`policy` text NOT NULL,
	`key_id` text NOT NULL,
	`batch_id` text NOT NULL,
	`items` integer NOT NULL,
	`version` integer,
	PRIMARY KEY(`policy`, `key_id`, `batch_id`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `given_states` (
	`policy` text NOT NULL,
	`key_id` text NOT NULL,
	`cycle_id` text NOT NULL,
	`states` integer NOT NULL,
	PRIMARY KEY(`policy`, `key_id`, `cycle_id`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT INTO `given_states` SELECT c.policy, s.key_id, c.cycle_id, count(*) FROM `cycle_steps` c
	JOIN `steps` s ON s.id = c.step_id GROUP BY 1, 2, 3;--> statement-breakpoint
INSERT INTO `given_items` SELECT i.policy, s.key_id, i.batch_id, count(*), v.version FROM `batch_items` i
	JOIN `steps` s ON s.id = i.step_id LEFT JOIN `batches` b ON b.id = i.batch_id
	LEFT JOIN `versions` v ON v.policy = i.policy AND v.version = b.target_version AND v.batch_id = b.id GROUP BY 1, 2, 3;--> statement-breakpoint
CREATE TRIGGER `given_states_more` AFTER INSERT ON `cycle_steps` BEGIN
	INSERT INTO given_states SELECT NEW.policy, s.key_id, NEW.cycle_id, 1 FROM steps s WHERE s.id = NEW.step_id
		ON CONFLICT DO UPDATE SET states = states + 1;
END;
--> statement-breakpoint
CREATE TRIGGER `given_states_less` AFTER DELETE ON `cycle_steps` BEGIN
	UPDATE given_states SET states = states - 1 WHERE policy = OLD.policy AND cycle_id = OLD.cycle_id
		AND key_id = (SELECT s.key_id FROM steps s WHERE s.id = OLD.step_id);
	DELETE FROM given_states WHERE policy = OLD.policy AND cycle_id = OLD.cycle_id
		AND key_id = (SELECT s.key_id FROM steps s WHERE s.id = OLD.step_id) AND states = 0;
END;
--> statement-breakpoint
CREATE TRIGGER `given_items_more` AFTER INSERT ON `batch_items` BEGIN
	INSERT INTO given_items SELECT NEW.policy, s.key_id, NEW.batch_id, 1, NULL FROM steps s WHERE s.id = NEW.step_id
		ON CONFLICT DO UPDATE SET items = items + 1;
END;
--> statement-breakpoint
CREATE TRIGGER `given_items_less` AFTER DELETE ON `batch_items` BEGIN
	UPDATE given_items SET items = items - 1 WHERE policy = OLD.policy AND batch_id = OLD.batch_id
		AND key_id = (SELECT s.key_id FROM steps s WHERE s.id = OLD.step_id);
	DELETE FROM given_items WHERE policy = OLD.policy AND batch_id = OLD.batch_id
		AND key_id = (SELECT s.key_id FROM steps s WHERE s.id = OLD.step_id) AND items = 0;
END;
--> statement-breakpoint
CREATE TRIGGER `given_to_version` AFTER INSERT ON `versions` WHEN NEW.batch_id IS NOT NULL BEGIN
	UPDATE given_items SET version = NEW.version WHERE policy = NEW.policy AND batch_id = NEW.batch_id
		AND key_id IN (SELECT s.key_id FROM batch_items i JOIN steps s ON s.id = i.step_id WHERE i.batch_id = NEW.batch_id);
END;
--> statement-breakpoint
CREATE TRIGGER `given_by_nobody` AFTER DELETE ON `steps` BEGIN
	UPDATE given_states SET states = states - (SELECT count(*) FROM cycle_steps c
			WHERE c.step_id = OLD.id AND c.policy = given_states.policy AND c.cycle_id = given_states.cycle_id)
		WHERE key_id = OLD.key_id AND (policy, cycle_id) IN
			(SELECT c.policy, c.cycle_id FROM cycle_steps c WHERE c.step_id = OLD.id);
	DELETE FROM given_states WHERE key_id = OLD.key_id AND states = 0 AND (policy, cycle_id) IN
		(SELECT c.policy, c.cycle_id FROM cycle_steps c WHERE c.step_id = OLD.id);
	UPDATE given_items SET items = items - (SELECT count(*) FROM batch_items i
			WHERE i.step_id = OLD.id AND i.policy = given_items.policy AND i.batch_id = given_items.batch_id)
		WHERE key_id = OLD.key_id AND (policy, batch_id) IN
			(SELECT i.policy, i.batch_id FROM batch_items i WHERE i.step_id = OLD.id);
	DELETE FROM given_items WHERE key_id = OLD.key_id AND items = 0 AND (policy, batch_id) IN
		(SELECT i.policy, i.batch_id FROM batch_items i WHERE i.step_id = OLD.id);
END;
