DROP INDEX `trajectories_task`;--> statement-breakpoint
CREATE INDEX `trajectories_origin` ON `trajectories` (`origin`,`id`) WHERE origin <> 'live';--> statement-breakpoint
CREATE INDEX `trajectories_task` ON `trajectories` (`task_id`,`id`) WHERE task_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `responses_outcome` ON `responses` (`outcome`,`trajectory_id`) WHERE outcome <> 'completed';--> statement-breakpoint
CREATE INDEX `steps_version` ON `steps` (`policy_version`,`trajectory_id`) WHERE policy_version > -1;