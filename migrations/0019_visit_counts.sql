CREATE TABLE `visit_counts` (
	`policy` text NOT NULL,
	`mode` text NOT NULL,
	`key_id` text NOT NULL,
	`own` integer NOT NULL,
	`known` integer NOT NULL,
	`visits` integer NOT NULL,
	`states` integer NOT NULL,
	PRIMARY KEY(`policy`, `mode`, `key_id`, `own`, `known`, `visits`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `state_counts_version` ON `state_counts` (`policy`,`mode`,`last_version`);--> statement-breakpoint
INSERT INTO `visit_counts` SELECT policy, mode, key_id, own, known, visits, sum(states) FROM `state_counts`
	GROUP BY 1, 2, 3, 4, 5, 6;--> statement-breakpoint
CREATE TRIGGER `visit_counts_more` AFTER INSERT ON `state_counts` BEGIN
	INSERT INTO visit_counts VALUES (NEW.policy, NEW.mode, NEW.key_id, NEW.own, NEW.known, NEW.visits, NEW.states)
		ON CONFLICT DO UPDATE SET states = states + excluded.states;
END;
--> statement-breakpoint
CREATE TRIGGER `visit_counts_change` AFTER UPDATE OF `states` ON `state_counts` BEGIN
	UPDATE visit_counts SET states = states + NEW.states - OLD.states
		WHERE policy = OLD.policy AND mode = OLD.mode AND key_id = OLD.key_id AND own = OLD.own AND known = OLD.known
		AND visits = OLD.visits;
END;
--> statement-breakpoint
CREATE TRIGGER `visit_counts_less` AFTER DELETE ON `state_counts` WHEN OLD.states <> 0 BEGIN
	UPDATE visit_counts SET states = states - OLD.states
		WHERE policy = OLD.policy AND mode = OLD.mode AND key_id = OLD.key_id AND own = OLD.own AND known = OLD.known
		AND visits = OLD.visits;
END;
