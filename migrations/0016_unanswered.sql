CREATE TABLE `unanswered` (
	`response_id` text PRIMARY KEY NOT NULL,
	`trajectory_id` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `countings` ADD `steps_to` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
UPDATE `countings` SET `steps_to` = (SELECT coalesce(max(`seq`), 0) FROM `steps`);--> statement-breakpoint
INSERT OR IGNORE INTO `unanswered` SELECT s.response_id, s.trajectory_id FROM `candidates` c JOIN `steps` s ON s.seq = c.seq
	WHERE c.facts & 16 = 0 AND NOT EXISTS (SELECT 1 FROM `responses` r WHERE r.id = s.response_id);--> statement-breakpoint
DROP TRIGGER `touched_by_step`;--> statement-breakpoint
DROP TRIGGER `touched_by_response`;--> statement-breakpoint
CREATE TRIGGER `touched_by_response` AFTER INSERT ON `responses`
WHEN EXISTS (SELECT 1 FROM unanswered u WHERE u.response_id = NEW.id) BEGIN
	DELETE FROM unanswered WHERE response_id = NEW.id;
	INSERT INTO touched SELECT c.policy, NEW.trajectory_id FROM countings c
		WHERE NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = NEW.trajectory_id);
END;
--> statement-breakpoint
DROP TRIGGER `touched_by_step_gone`;--> statement-breakpoint
CREATE TRIGGER `touched_by_step_gone` AFTER DELETE ON `steps` BEGIN
	DELETE FROM candidates WHERE seq = OLD.seq;
	DELETE FROM states WHERE hash = substr(OLD.state_tip, 4, 32) || substr(OLD.tool_set, 4, 32) AND steps = 0;
	DELETE FROM unanswered WHERE response_id = OLD.response_id;
	-- The number of the newest step is given to another one when it is gone.
	UPDATE countings SET steps_to = (SELECT coalesce(max(seq), 0) FROM steps)
		WHERE steps_to > (SELECT coalesce(max(seq), 0) FROM steps);
	INSERT INTO touched SELECT c.policy, OLD.trajectory_id FROM countings c
		WHERE EXISTS (SELECT 1 FROM trajectories j WHERE j.id = OLD.trajectory_id)
		AND NOT EXISTS (SELECT 1 FROM touched t WHERE t.policy = c.policy AND t.trajectory_id = OLD.trajectory_id);
END;
